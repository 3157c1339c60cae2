/* tests/test_gguf_model.c - GGUF models as a whole: the parts of a split one, folders, and that the
 * same weights give the same planes from GGUF as from safetensors.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "gguf_build.h"
#include "jobs.h"

#define FMT WHIT_ERR_FORMAT

/* One part with an I8 tensor of that name. count 0: without keys; total 0: without that key. */
static void put_part(const scratch *s, const char *file, const char *tensor, unsigned no,
                     unsigned count, unsigned total)
{
    const uint64_t ne = 2;
    gg_build b = { 0 };
    gg_string(&b, "general.name", tensor, strlen(tensor));
    if (count) gg_number(&b, "split.no", GG_U16, no, 2);
    if (count) gg_number(&b, "split.count", GG_U16, count, 2);
    if (total) gg_number(&b, "split.tensors.count", GG_I32, total, 4);
    gg_tensor(&b, tensor, 24, 1, &ne, tensor, 2);
    gg_write(&b, s, file);
}

static whit_file *open_at(const scratch *s, const char *name, whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    whit_status st = whit_file_open(&f, scratch_path(s, name, path), &err);
    CHECK(st == want && strstr(err.msg, words), "%s: status %d, %s", name, (int)st, err.msg);
    return f;
}

static void fails_at(const scratch *s, const char *name, const char *words)
{
    CHECK(!open_at(s, name, FMT, words), "%s", name);
}

/* The three parts, in order, whatever was named. */
static void check_three(const scratch *s, const char *name, const char *prefix)
{
    static const char *const tensors[] = { "z1", "a2", "m3" };
    whit_file *f = open_at(s, name, WHIT_OK, "");
    if (!f) return;
    CHECK(whit_file_shards(f) == 3 && whit_file_count(f) == 3 && !whit_file_has_index(f), "three");
    CHECK(strncmp(whit_file_format(f), "GGUF", 4) == 0, "%s", whit_file_format(f));
    for (size_t i = 0; i < 3; i++) {
        char part[64], raw[2];
        snprintf(part, sizeof part, "%s-0000%zu-of-00003.gguf", prefix, i + 1);
        const whit_tensor *t = whit_file_tensor(f, i);
        CHECK(t && t->shard == i && strcmp(t->name, tensors[i]) == 0, "%s: %zu", name, i);
        CHECK(strcmp(whit_file_shard_name(f, i), part) == 0, "%s", whit_file_shard_name(f, i));
        CHECK(whit_file_find(f, tensors[i]) == i, "%s", tensors[i]);
        CHECK(whit_file_read(f, i, 0, 2, raw, NULL) == WHIT_OK && memcmp(raw, tensors[i], 2) == 0,
              "%s", tensors[i]);
        CHECK(strcmp(whit_file_meta_find(f, i, "general.name"), tensors[i]) == 0, "%zu", i);
        CHECK(whit_file_kv_count(f, i) == 4, "%zu", whit_file_kv_count(f, i));
    }
    whit_file_close(f);
}

#define P(n) "p/x-0000" #n "-of-00003.gguf"

static void test_split(const scratch *s)
{
    char path[SCRATCH_PATH];
    scratch_folder(s, "p");
    put_part(s, P(1), "z1", 0, 3, 3);
    put_part(s, P(2), "a2", 1, 3, 3);
    fails_at(s, P(1), "1-of-00003.gguf: part 3 of 3, x-00003-of-00003.gguf, is missing; try: ");
    fails_at(s, P(2), "part 3 of 3");
    fails_at(s, "p", "part 3 of 3, x-00003-of-00003.gguf, is missing");
    put_part(s, P(3), "m3", 2, 3, 3);
    check_three(s, P(1), "x");
    check_three(s, P(2), "x");
    check_three(s, P(3), "x");
    check_three(s, "p", "x");

    put_part(s, P(3), "m3", 1, 3, 3);
    fails_at(s, P(1),
             "x-00003-of-00003.gguf: by its metadata split.no = 1 of split.count = 3, by "
             "its name 2 of 3");
    fails_at(s, P(3), "split.no = 1 of");
    put_part(s, P(3), "m3", 2, 4, 3);
    fails_at(s, P(1), "split.no = 2 of split.count = 4, by its name 2 of 3");
    fails_at(s, P(3), "one of 4 parts, but its name does not end in -00001-of-00004.gguf");
    put_part(s, P(3), "m3", 2, 0, 0);
    fails_at(s, P(1), "split.no = 0 of split.count = 1, by its name 2 of 3");
    put_part(s, P(3), "m3", 2, 3, 4);
    fails_at(s, P(1), "3-of-00003.gguf: split.tensors.count: is 4, the 3 parts have 3");
    put_part(s, P(3), "z1", 2, 3, 3);
    fails_at(s, P(1), "z1: the name is in x-00001-of-00003.gguf, too");
    scratch_safetensors(s, P(3), "{}", "", 0);
    fails_at(s, P(1), "split.no = 0 of split.count = 1");
    scratch_remove_tree(scratch_path(s, P(3), path));
    put_part(s, "elsewhere", "m3", 2, 3, 3);
    scratch_link(s, "../elsewhere", P(3));
    fails_at(s, P(1), "x-00003-of-00003.gguf");
    scratch_remove_tree(scratch_path(s, "p", path));

    /* Without split.tensors.count, and with a name that is nothing but its ending. */
    put_part(s, "-00001-of-00002.gguf", "a", 0, 2, 0);
    fails_at(s, "-00001-of-00002.gguf", "part 2 of 2, -00002-of-00002.gguf, is missing");
    put_part(s, "-00002-of-00002.gguf", "b", 1, 2, 0);
    whit_file_close(open_at(s, "-00002-of-00002.gguf", WHIT_OK, ""));
}

/* Names that are none of a part, for a file that is one. */
static void test_names(const scratch *s)
{
    static const char *const names[] = { "x.gguf",
                                         "x-00001-of-00002.ggu",
                                         "x-00000-of-00002.gguf",
                                         "x-00003-of-00002.gguf",
                                         "x-00001-of-00003.gguf",
                                         "x-0001a-of-00002.gguf",
                                         "x-0001'-of-00002.gguf", /* ' is 9 below 0 */
                                         "x-00001-of-0 002.gguf",
                                         "x-00001_of-00002.gguf",
                                         "x_00001-of-00002.gguf",
                                         "x-000001-of-000002.gguf",
                                         "x-00001-of-00002.gguf.gguf" };
    put_part(s, "x-00002-of-00002.gguf", "b", 1, 2, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put_part(s, names[i], "a", 0, 2, 0);
        fails_at(s, names[i], "one of 2 parts, but its name does not end in -00001-of-00002.gguf");
    }
    put_part(s, "x-00001-of-00002.gguf", "a", 1, 2, 0);
    fails_at(s, "x-00001-of-00002.gguf", "split.no = 1 of split.count = 2, by its name 0 of 2");
    put_part(s, "x-00001-of-00002.gguf", "a", 0, 0, 0); /* whole by its metadata */
    whit_file *f = open_at(s, "x-00001-of-00002.gguf", WHIT_OK, "");
    CHECK(f && whit_file_shards(f) == 1, "whole");
    whit_file_close(f);
}

static void test_folder(const scratch *s)
{
    scratch_folder(s, "f");
    scratch_text(s, "f/config.json", "{}");
    scratch_text(s, "f/pytorch_model.bin", "x");
    put_part(s, "f/model.gguf", "a", 0, 0, 0);
    whit_file *f = open_at(s, "f", WHIT_OK, "");
    CHECK(f && whit_file_is_folder(f) && !whit_file_has_index(f), "the only one");
    CHECK(f && strcmp(whit_file_shard_name(f, 0), "model.gguf") == 0, "the only one");
    whit_file_close(f);
    put_part(s, "f/mmproj.gguf", "a", 0, 0, 0);
    fails_at(s, "f", "f: 2 .gguf files (mmproj.gguf, ..); try: name one of them");
    put_part(s, "f/a-00001-of-00003.gguf", "a", 0, 0, 0); /* whole, whatever its name says */
    fails_at(s, "f", "f: 3 .gguf files (a-00001-of-00003.gguf, ..)");
    scratch_safetensors(s, "f/one.safetensors", "{}", "", 0);
    f = open_at(s, "f", WHIT_OK, "");
    CHECK(f && strcmp(whit_file_format(f), "safetensors") == 0, "safetensors first");
    whit_file_close(f);
}

/* ---- a model as GGUF has it ---- */

#define HEAD_ROWS 8 /* of stories260K */

/* The tensor's name in GGUF; 1 if its rows stand in the order of pairs there. */
static int gguf_name(const char *name, char *out, size_t size)
{
    static const struct {
        const char *from, *to;
        int pairs;
    } names[] = {
        { "self_attn.q_proj.weight", "attn_q.weight", 1 },
        { "self_attn.k_proj.weight", "attn_k.weight", 1 },
        { "self_attn.v_proj.weight", "attn_v.weight", 0 },
        { "self_attn.o_proj.weight", "attn_output.weight", 0 },
        { "mlp.gate_proj.weight", "ffn_gate.weight", 0 },
        { "mlp.up_proj.weight", "ffn_up.weight", 0 },
        { "mlp.down_proj.weight", "ffn_down.weight", 0 },
        { "input_layernorm.weight", "attn_norm.weight", 0 },
        { "post_attention_layernorm.weight", "ffn_norm.weight", 0 },
    };
    unsigned layer;
    int at = 0;
    if (sscanf(name, "model.layers.%u.%n", &layer, &at) == 1 && at > 0)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcmp(name + at, names[i].from) == 0) {
                snprintf(out, size, "blk.%u.%s", layer, names[i].to);
                return names[i].pairs;
            }
    const char *rest = strcmp(name, "model.embed_tokens.weight") == 0 ? "token_embd.weight"
                       : strcmp(name, "model.norm.weight") == 0       ? "output_norm.weight"
                                                                      : name;
    snprintf(out, size, "%s", rest);
    return 0;
}

/* Row r of a head in the order of pairs is this row of it in the order of halves. */
static size_t half_row(size_t row)
{
    size_t r = row % HEAD_ROWS;
    return row - r + r % 2 * (HEAD_ROWS / 2) + r / 2;
}

static void to_pairs(unsigned char *to, const unsigned char *from, size_t rows, size_t row_bytes)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * row_bytes, from + half_row(r) * row_bytes, row_bytes);
}

/* All tensors of a file that is open: as they are, or (wide) as F32. */
static void put_model(const whit_file *f, int wide, const scratch *s, const char *name)
{
    gg_build b = { 0 };
    gg_string(&b, "general.architecture", "llama", 5);
    gg_number(&b, "llama.block_count", GG_U32, 5, 4);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        const size_t size = wide ? 4 : 2, bytes = (size_t)t->elements * size;
        const uint64_t ne[] = { t->shape[t->rank - 1], t->shape[0] };
        unsigned char *raw = malloc(2 * bytes);
        char its[96];
        if (!raw) scratch_die("memory");
        CHECK(t->dtype == WHIT_F16 && t->rank <= 2, "%s", t->name);
        float *values = malloc(sizeof *values * (size_t)t->elements);
        whit_status st = wide ? whit_file_read_f32(f, i, 0, (size_t)t->elements, values, NULL)
                              : whit_file_read(f, i, 0, bytes, raw, NULL);
        if (wide) whit_dtype_from_f32(WHIT_F32, values, (size_t)t->elements, raw);
        CHECK(st == WHIT_OK, "%s", t->name);
        int pairs = gguf_name(t->name, its, sizeof its);
        if (pairs) to_pairs(raw + bytes, raw, (size_t)t->shape[0], bytes / (size_t)t->shape[0]);
        gg_tensor(&b, its, wide ? 0 : 1, t->rank, ne, pairs ? raw + bytes : raw, bytes);
        free(values);
        free(raw);
    }
    gg_write(&b, s, name);
}

/* A plane of one file equals the same of the other, rows moved into pairs where they must be. */
static void check_plane(const whit_file *f, const whit_file *g, const char *name, const char *its,
                        int pairs, const char *plane)
{
    char a[128], b[128];
    snprintf(a, sizeof a, "%s%s", name, plane);
    snprintf(b, sizeof b, "%s%s", its, plane);
    const whit_tensor *t = whit_file_tensor(f, whit_file_find(f, a));
    const whit_tensor *u = whit_file_tensor(g, whit_file_find(g, b));
    CHECK(!t == !u && (!t || (t->bytes == u->bytes && t->rank == u->rank)), "%s, %s", a, b);
    if (!t || !u || t->bytes != u->bytes) return;
    const size_t bytes = (size_t)t->bytes;
    unsigned char *x = malloc(3 * bytes), *y = x + bytes, *moved = y + bytes;
    if (!x) scratch_die("memory");
    CHECK(whit_file_read(f, whit_file_find(f, a), 0, bytes, x, NULL) == WHIT_OK, "%s", a);
    CHECK(whit_file_read(g, whit_file_find(g, b), 0, bytes, y, NULL) == WHIT_OK, "%s", b);
    if (pairs) to_pairs(moved, x, (size_t)t->shape[0], bytes / (size_t)t->shape[0]);
    CHECK(memcmp(pairs ? moved : x, y, bytes) == 0, "%s, %s differ", a, b);
    free(x);
}

/* stories260K quantized from safetensors and from GGUF: the same codes, scales and kept bytes. */
static void test_same_planes(const scratch *s, const char *data, int wide, const char *scheme)
{
    char folder[SCRATCH_PATH], gguf[SCRATCH_PATH], out[2][SCRATCH_PATH], its[96];
    const job_ask ask = { .scheme = scheme };
    whit_file *f = NULL, *q[2] = { NULL, NULL };
    snprintf(folder, sizeof folder, "%s/stories260K", data);
    scratch_path(s, "model.gguf", gguf);
    scratch_path(s, "a.safetensors", out[0]);
    scratch_path(s, "b.safetensors", out[1]);
    if (whit_file_open(&f, folder, NULL) != WHIT_OK) scratch_die(folder);
    put_model(f, wide, s, "model.gguf");
    for (int k = 0; k < 2; k++) {
        job j;
        CHECK(job_run(&j, k ? gguf : folder, out[k], &ask) == WHIT_OK, "%s", j.err.msg);
        job_close(&j);
        if (whit_file_open(&q[k], out[k], NULL) != WHIT_OK) scratch_die(out[k]);
    }
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const char *name = whit_file_tensor(f, i)->name;
        int pairs = gguf_name(name, its, sizeof its);
        check_plane(q[0], q[1], name, its, pairs, ".q");
        check_plane(q[0], q[1], name, its, pairs, ".scale");
        if (!wide) check_plane(q[0], q[1], name, its, pairs, "");
    }
    CHECK(whit_file_count(q[0]) == whit_file_count(q[1]) && whit_file_count(f) > 40, "all");
    /* The strings are carried over, as strings; numbers are not. */
    CHECK(strcmp(whit_file_meta_find(q[1], 0, "general.architecture"), "llama") == 0, "a string");
    CHECK(!whit_file_meta_find(q[1], 0, "llama.block_count"), "a number");
    for (int k = 0; k < 2; k++) {
        whit_file_close(q[k]);
        scratch_remove_tree(out[k]);
    }
    whit_file_close(f);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    test_split(&s);
    test_names(&s);
    test_folder(&s);
    test_same_planes(&s, argv[1], 0, "int4-g32");
    test_same_planes(&s, argv[1], 1, "int8-channel");
    scratch_remove(&s);
    return check_result();
}
