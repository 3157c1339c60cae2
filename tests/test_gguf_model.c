/* tests/test_gguf_model.c - GGUF models as a whole: the parts of a split one, and folders. That a
 * model gives the same planes from GGUF as from other containers is test_containers.c's.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "check.h"
#include "gguf_build.h"

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

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_split(&s);
    test_names(&s);
    test_folder(&s);
    scratch_remove(&s);
    return check_result();
}
