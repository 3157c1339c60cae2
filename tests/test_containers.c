/* tests/test_containers.c - the same weights give the same codes, scales, zero points and kept
 * bytes from safetensors, GGUF, NPY, NPZ, PyTorch (both containers) and llama2.c.
 *
 *   test_containers DATA     the bundled model, in F16 and, scaled so that F16 cannot hold it, F32
 *
 * In GGUF the rows of q and k stand in the order of pairs, in the bundled model in that of halves.
 * An NPY file holds one tensor: C and Fortran order, both byte orders; an archive all, stored or
 * deflated. PyTorch's tensors lie in storages of their own, transposed, or all in one; a folder of
 * its shards becomes one of safetensors. llama2.c has
 * F32 only, and names and the order of rows like the checkpoints it is made from. The bytes
 * themselves are golden elsewhere (cli/golden.sh).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "gguf_build.h"
#include "jobs.h"
#include "torch_build.h"

/* ---- GGUF ------------------------------------------------------------------------------------ */

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

/* The octets of a tensor, freed with free(). */
static unsigned char *octets_of(const whit_file *f, size_t i)
{
    const whit_tensor *t = whit_file_tensor(f, i);
    unsigned char *raw = malloc((size_t)t->bytes + 1);
    if (!raw) scratch_die("memory");
    CHECK(whit_file_read(f, i, 0, (size_t)t->bytes, raw, NULL) == WHIT_OK, "%s", t->name);
    return raw;
}

/* All tensors of a file that is open, F16 or F32. */
static void put_gguf(const whit_file *f, const scratch *s, const char *name)
{
    gg_build b = { 0 };
    gg_string(&b, "general.architecture", "llama", 5);
    gg_number(&b, "llama.block_count", GG_U32, 5, 4);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        const size_t bytes = (size_t)t->bytes, rows = (size_t)t->shape[0];
        const uint64_t ne[] = { t->shape[t->rank - 1], t->shape[0] };
        unsigned char *raw = octets_of(f, i), *moved = calloc(bytes, 1);
        char its[96];
        if (!moved) scratch_die("memory");
        int pairs = gguf_name(t->name, its, sizeof its);
        if (pairs) to_pairs(moved, raw, rows, bytes / rows);
        gg_tensor(&b, its, t->dtype == WHIT_F16, t->rank, ne, pairs ? moved : raw, bytes);
        free(moved);
        free(raw);
    }
    gg_write(&b, s, name);
}

/* ---- NPY ------------------------------------------------------------------------------------- */

/* One tensor of one or two dimensions, as NAME.npy. */
static st_text npy_of(const whit_file *f, size_t i, int fortran, int big)
{
    const whit_tensor *t = whit_file_tensor(f, i);
    const size_t size = t->dtype == WHIT_F16 ? 2 : 4;
    const size_t rows = t->rank == 2 ? (size_t)t->shape[0] : 1;
    const size_t cols = (size_t)t->shape[t->rank - 1];
    unsigned char *raw = octets_of(f, i);
    char shape[64], header[128];
    st_text all = { 0 };
    if (t->rank == 2)
        snprintf(shape, sizeof shape, "(%zu, %zu)", rows, cols);
    else
        snprintf(shape, sizeof shape, "(%zu,)", cols);
    snprintf(header, sizeof header, "{'descr': '%cf%zu', 'fortran_order': %s, 'shape': %s}",
             big ? '>' : '<', size, fortran ? "True" : "False", shape);
    st_putf(&all, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
    for (size_t at = 0; at < rows * cols; at++) {
        const size_t from = fortran ? at % rows * cols + at / rows : at;
        for (size_t k = 0; k < size; k++)
            st_put(&all, raw + from * size + (big ? size - 1 - k : k), 1);
    }
    free(raw);
    return all;
}

static void put_npy(const whit_file *f, size_t i, const scratch *s, const char *name, int fortran,
                    int big)
{
    st_text all = npy_of(f, i, fortran, big);
    scratch_write(s, name, all.data, all.len);
    free(all.data);
}

/* All tensors, in all four orders in turn. */
static void put_npz(const whit_file *f, const scratch *s, const char *name, unsigned method)
{
    zb_build z = { 0 };
    z.wide = method == 0;
    for (size_t i = 0; i < whit_file_count(f); i++) {
        char entry[120];
        st_text all = npy_of(f, i, i % 2 != 0, i / 2 % 2 != 0);
        snprintf(entry, sizeof entry, "%s.npy", whit_file_tensor(f, i)->name);
        zb_add(&z, entry, all.data, all.len, method);
        free(all.data);
    }
    zb_write(&z, s, name);
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static unsigned char *transposed(const unsigned char *raw, size_t rows, size_t cols, size_t size)
{
    unsigned char *out = malloc(rows * cols * size);
    if (!out) scratch_die("memory");
    for (size_t i = 0; i < rows * cols; i++)
        memcpy(out + (i % cols * rows + i / cols) * size, raw + i * size, size);
    return out;
}

/* Every third tensor: in a storage of its own, the same transposed, in one that they share. Of
 * shards, one has every one of its parts-th. */
static void put_shard(const whit_file *f, const scratch *s, const char *name, int old,
                      unsigned method, size_t part, size_t parts)
{
    tb_build b = { 0 };
    st_text shared = { 0 };
    size_t at[100] = { 0 }, count = whit_file_count(f), size = 4;
    const char *type = "Float";
    for (size_t i = part; i < count; i += parts) {
        const whit_tensor *t = whit_file_tensor(f, i);
        unsigned char *raw = octets_of(f, i);
        if (t->dtype == WHIT_F16) {
            size = 2;
            type = "Half";
        }
        at[i] = shared.len / size + 3;
        st_put(&shared, "\1\2\3\4\5\6\7\10\11\12\13\14", 3 * size); /* between two */
        st_put(&shared, raw, (size_t)t->bytes);
        free(raw);
    }
    const size_t all = tb_add(&b, type, shared.data, shared.len / size, shared.len);
    for (size_t i = part; i < count; i += parts) {
        const whit_tensor *t = whit_file_tensor(f, i);
        const uint64_t rows = t->shape[0], cols = t->rank == 2 ? t->shape[1] : 1;
        const uint64_t plain[2] = { cols, 1 }, turned[2] = { 1, rows };
        unsigned char *raw = octets_of(f, i),
                      *other = transposed(raw, (size_t)rows, (size_t)cols, size);
        const size_t n = (size_t)t->elements, bytes = (size_t)t->bytes;
        if (i % 3 == 0)
            tb_tensor(&b, t->name, tb_add(&b, type, raw, n, bytes), 0, t->rank, t->shape, plain);
        else if (i % 3 == 1)
            tb_tensor(&b, t->name, tb_add(&b, type, other, n, bytes), 0, t->rank, t->shape, turned);
        else
            tb_tensor(&b, t->name, all, at[i], t->rank, t->shape, plain);
        free(other);
        free(raw);
    }
    old ? tb_write_old(&b, s, name) : tb_write_zip(&b, s, name, method);
    free(shared.data);
    tb_free(&b);
}

static void put_torch(const whit_file *f, const scratch *s, const char *name, int old,
                      unsigned method)
{
    put_shard(f, s, name, old, method, 0, 1);
}

#define TORCH_INDEX "torch/pytorch_model.bin.index.json"

/* A folder of two shards, one in each container, under an index. */
static void put_torch_folder(const whit_file *f, const scratch *s)
{
    char folder[SCRATCH_PATH];
    st_text index = { 0 };
    scratch_remove_tree(scratch_path(s, "torch", folder));
    scratch_folder(s, "torch");
    put_shard(f, s, "torch/pytorch_model-00001-of-00002.bin", 0, 8, 0, 2);
    put_shard(f, s, "torch/pytorch_model-00002-of-00002.bin", 1, 0, 1, 2);
    st_putf(&index, "{\"weight_map\":{");
    for (size_t i = 0; i < whit_file_count(f); i++)
        st_putf(&index, "%s\"%s\":\"pytorch_model-0000%zu-of-00002.bin\"", i ? "," : "",
                whit_file_tensor(f, i)->name, 1 + i % 2);
    st_putf(&index, "}}");
    scratch_text(s, TORCH_INDEX, index.data);
    free(index.data);
}

/* ---- llama2.c -------------------------------------------------------------------------------- */

/* The names of a layer, in the order of version 0: model folder, llama2.c. */
static const char *const layer_parts[][2] = {
    { "input_layernorm", "attention_norm" }, { "self_attn.q_proj", "attention.wq" },
    { "self_attn.k_proj", "attention.wk" },  { "self_attn.v_proj", "attention.wv" },
    { "self_attn.o_proj", "attention.wo" },  { "post_attention_layernorm", "ffn_norm" },
    { "mlp.gate_proj", "feed_forward.w1" },  { "mlp.down_proj", "feed_forward.w2" },
    { "mlp.up_proj", "feed_forward.w3" },
};
#define LAYER_PARTS (sizeof layer_parts / sizeof layer_parts[0])

static int llama2c_name(const char *name, char *out, size_t size)
{
    unsigned layer;
    int at = 0;
    if (sscanf(name, "model.layers.%u.%n", &layer, &at) == 1 && at > 0)
        for (size_t i = 0; i < LAYER_PARTS; i++)
            if (strncmp(name + at, layer_parts[i][0], strlen(layer_parts[i][0])) == 0) {
                snprintf(out, size, "layers.%u.%s.weight", layer, layer_parts[i][1]);
                return i == 1 || i == 2;
            }
    snprintf(out, size, "%s", strstr(name, "embed") ? "tok_embeddings.weight" : "norm.weight");
    return 0;
}

static void put_part(const whit_file *f, st_text *out, const char *name)
{
    char its[96];
    const size_t i = whit_file_find(f, name);
    const whit_tensor *t = whit_file_tensor(f, i);
    unsigned char *raw = octets_of(f, i), *moved = malloc((size_t)t->bytes);
    if (!moved) scratch_die("memory");
    const int pairs = llama2c_name(name, its, sizeof its);
    if (pairs) to_pairs(moved, raw, (size_t)t->shape[0], (size_t)(t->bytes / t->shape[0]));
    st_put(out, pairs ? moved : raw, (size_t)t->bytes);
    free(moved);
    free(raw);
}

static void put_layers(const whit_file *f, st_text *out, size_t part)
{
    for (unsigned layer = 0; layer < 5; layer++) {
        char name[96];
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, layer_parts[part][0]);
        put_part(f, out, name);
    }
}

static void put_llama2c(const whit_file *f, const scratch *s, const char *file, int version)
{
    static const uint32_t numbers[] = { 64, 172, 5, 8, 4, 512, 512 };
    st_text all = { 0 };
    if (version) st_put(&all, "24ka\1\0\0\0", 8);
    for (int i = 0; i < 7; i++) zb_u32(&all, numbers[i]);
    if (version) {
        st_put(&all, "\1", 1);
        while (all.len < 256) st_put(&all, "\0", 1);
        put_layers(f, &all, 0);
        put_layers(f, &all, 5);
        put_part(f, &all, "model.norm.weight");
    }
    put_part(f, &all, "model.embed_tokens.weight");
    for (size_t part = 0; part < LAYER_PARTS; part++)
        if (!version || (part != 0 && part != 5)) put_layers(f, &all, part);
    if (!version) {
        put_part(f, &all, "model.norm.weight");
        for (int i = 0; i < 2 * 512 * 4; i++) zb_u32(&all, 0x7fc00000); /* never looked at */
    }
    scratch_write(s, file, all.data, all.len);
    free(all.data);
}

/* ---- the planes ------------------------------------------------------------------------------ */

static const char *const planes[] = { "", ".q", ".scale", ".scale2", ".zero" };

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
    unsigned char *x = malloc(3 * bytes);
    if (!x) scratch_die("memory");
    unsigned char *y = x + bytes, *moved = y + bytes;
    CHECK(whit_file_read(f, whit_file_find(f, a), 0, bytes, x, NULL) == WHIT_OK, "%s", a);
    CHECK(whit_file_read(g, whit_file_find(g, b), 0, bytes, y, NULL) == WHIT_OK, "%s", b);
    if (pairs) to_pairs(moved, x, (size_t)t->shape[0], bytes / (size_t)t->shape[0]);
    CHECK(memcmp(pairs ? moved : x, y, bytes) == 0, "%s, %s differ", a, b);
    free(x);
}

static whit_file *quantized(const char *in, const char *out, const char *scheme)
{
    whit_file *f = NULL;
    job_quantize(in, out, &(job_ask){ .scheme = scheme, .job.force = 1 });
    if (whit_file_open(&f, out, NULL) != WHIT_OK) scratch_die(out);
    return f;
}

static void same_from_gguf(const scratch *s, const whit_file *f, const whit_file *want,
                           const char *scheme)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], its[96];
    put_gguf(f, s, "model.gguf");
    whit_file *got = quantized(scratch_path(s, "model.gguf", in),
                               scratch_path(s, "gguf.safetensors", out), scheme);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const char *name = whit_file_tensor(f, i)->name;
        int pairs = gguf_name(name, its, sizeof its);
        for (size_t k = 0; k < sizeof planes / sizeof planes[0]; k++)
            check_plane(want, got, name, its, pairs, planes[k]);
    }
    CHECK(whit_file_count(want) == whit_file_count(got) && whit_file_count(f) > 40, "all");
    /* The strings are carried over, as strings; numbers are not. */
    CHECK(strcmp(whit_file_meta_find(got, 0, "general.architecture"), "llama") == 0, "a string");
    CHECK(!whit_file_meta_find(got, 0, "llama.block_count"), "a number");
    whit_file_close(got);
}

static void same_from_npy(const scratch *s, const whit_file *f, const whit_file *want,
                          const char *scheme)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], file[128];
    size_t count = 0;
    for (size_t i = 0; i < 2 * whit_file_count(f); i++) {
        const char *name = whit_file_tensor(f, i / 2)->name;
        const int fortran = i % 2 != 0, big = i / 2 % 2 != 0;
        snprintf(file, sizeof file, "%s.npy", name);
        put_npy(f, i / 2, s, file, fortran, big);
        whit_file *got =
            quantized(scratch_path(s, file, in), scratch_path(s, "npy.safetensors", out), scheme);
        for (size_t k = 0; k < sizeof planes / sizeof planes[0]; k++)
            check_plane(want, got, name, name, 0, planes[k]);
        count += fortran ? whit_file_count(got) : 0;
        whit_file_close(got);
        remove(in);
    }
    CHECK(count == whit_file_count(want), "all");
}

/* All tensors in one file, by the names of the model folder. */
static void same_from_file(const scratch *s, const char *name, const whit_file *want,
                           const char *scheme)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    whit_file *got =
        quantized(scratch_path(s, name, in), scratch_path(s, "other.safetensors", out), scheme);
    CHECK(whit_file_count(want) == whit_file_count(got), "%s: all", name);
    for (size_t i = 0; i < whit_file_count(want); i++)
        check_plane(want, got, whit_file_tensor(want, i)->name, whit_file_tensor(want, i)->name, 0,
                    "");
    whit_file_close(got);
}

/* Of shards of PyTorch shards of safetensors are made, with names that loaders take for such. */
static void same_from_torch_folder(const scratch *s, const whit_file *want, const char *scheme)
{
    static const char *const from[] = { "torch", TORCH_INDEX };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    for (int k = 0; k < 2; k++) {
        whit_file *got =
            quantized(scratch_path(s, from[k], in), scratch_path(s, "folder", out), scheme);
        CHECK(whit_file_has_index(got) && whit_file_shards(got) == 2 &&
                  whit_file_count(want) == whit_file_count(got),
              "%s: all", from[k]);
        CHECK(strcmp(whit_file_shard_name(got, 1), "model-00002-of-00002.safetensors") == 0, "%s",
              whit_file_shard_name(got, 1));
        for (size_t i = 0; i < whit_file_count(want); i++) {
            const char *name = whit_file_tensor(want, i)->name;
            check_plane(want, got, name, name, 0, "");
        }
        whit_file_close(got);
        same_from_file(s, from[k], want, scheme);
    }
}

static void same_from_llama2c(const scratch *s, const whit_file *f, const char *name,
                              const whit_file *want, const char *scheme)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], its[96];
    whit_file *got =
        quantized(scratch_path(s, name, in), scratch_path(s, "other.safetensors", out), scheme);
    CHECK(whit_file_count(want) == whit_file_count(got), "%s: all", name);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const char *own = whit_file_tensor(f, i)->name;
        const int pairs = llama2c_name(own, its, sizeof its);
        for (size_t k = 0; k < sizeof planes / sizeof planes[0]; k++)
            check_plane(want, got, own, its, pairs, planes[k]);
    }
    CHECK(strcmp(whit_file_meta_find(got, 0, "llama2c.dim"), "64") == 0, "its header");
    whit_file_close(got);
}

/* ---- the models ------------------------------------------------------------------------------ */

/* F32 values that F16 does not have. */
static void put_wide(const whit_file *f, const scratch *s, const char *name)
{
    st_build b = { 0 };
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        const size_t n = (size_t)t->elements;
        float *v = malloc(n * sizeof *v);
        unsigned char *raw = malloc(n * sizeof *v);
        if (!v || !raw) scratch_die("memory");
        CHECK(whit_file_read_f32(f, i, 0, n, v, NULL) == WHIT_OK, "%s", t->name);
        for (size_t k = 0; k < n; k++) v[k] *= 0.9f;
        whit_dtype_from_f32(WHIT_F32, v, n, raw);
        st_add_octets(&b, t->name, "F32", t->rank, t->shape, raw, n * sizeof *v);
        free(raw);
        free(v);
    }
    st_write(&b, s, name);
}

int main(int argc, char **argv)
{
    static const char *const schemes[] = { "int8-channel", "int4-g32", "int4-g64-asym", "nf4-g64",
                                           "nvfp4" };
    static const char *const files[] = { "stored.npz", "deflated.npz", "zip.pt", "deflated.pt",
                                         "old.pth" };
    char model[2][SCRATCH_PATH], out[SCRATCH_PATH];
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    snprintf(model[0], sizeof model[0], "%s/stories260K", argv[1]);
    scratch_path(&s, "wide.safetensors", model[1]);
    for (int m = 0; m < 2; m++) {
        whit_file *f = NULL;
        if (whit_file_open(&f, model[m], NULL) != WHIT_OK) scratch_die(model[m]);
        put_npz(f, &s, "stored.npz", 0);
        put_npz(f, &s, "deflated.npz", 8);
        put_torch(f, &s, "zip.pt", 0, 0);
        put_torch(f, &s, "deflated.pt", 0, 8);
        put_torch(f, &s, "old.pth", 1, 0);
        put_torch_folder(f, &s);
        for (int v = 0; m == 1 && v < 2; v++) put_llama2c(f, &s, v ? "v1.bin" : "v0.bin", v);
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            whit_file *want =
                quantized(model[m], scratch_path(&s, "want.safetensors", out), schemes[i]);
            same_from_gguf(&s, f, want, schemes[i]);
            same_from_npy(&s, f, want, schemes[i]);
            for (size_t k = 0; k < sizeof files / sizeof files[0]; k++)
                same_from_file(&s, files[k], want, schemes[i]);
            same_from_torch_folder(&s, want, schemes[i]);
            for (int v = 0; m == 1 && v < 2; v++)
                same_from_llama2c(&s, f, v ? "v1.bin" : "v0.bin", want, schemes[i]);
            whit_file_close(want);
        }
        if (m == 0) put_wide(f, &s, "wide.safetensors");
        whit_file_close(f);
    }
    scratch_remove(&s);
    return check_result();
}
