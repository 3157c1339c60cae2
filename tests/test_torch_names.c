/* tests/test_torch_names.c - PyTorch checkpoints: which names tensors have, and what is left out
 * because it is none.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "files.h"
#include "torch_build.h"

static int has_warning(const whit_file *f, const char *words)
{
    for (size_t i = 0; i < whit_file_warnings(f); i++)
        if (strstr(whit_file_warning(f, i), words)) return 1;
    return 0;
}

/* A file whose root is what `before` opens and `after` closes around one tensor's value. */
static void put_wrapped(const scratch *s, const char *name, const char *before, size_t before_len,
                        const char *after, size_t after_len)
{
    static const uint64_t two[1] = { 2 }, one[1] = { 1 };
    tb_build b = { 0 };
    zb_build z = { 0 };
    st_text pickle = { 0 };
    st_put(&b.items, before, before_len);
    tb_value(&b, tb_add(&b, "Float", "\0\0\200\77\0\0\0\100", 2, 8), 0, 1, two, one);
    st_put(&b.items, after, after_len);
    st_put(&pickle, "\x80\2", 2);
    st_put(&pickle, b.items.data, b.items.len);
    st_put(&pickle, ".", 1);
    zb_add(&z, "r/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "r/data/0", b.data.data, b.data.len, 0);
    zb_write(&z, s, name);
    free(pickle.data);
    tb_free(&b);
}

/* Keys that can name no tensor. */
static void test_no_names(const scratch *s)
{
    put_wrapped(s, "empty.pt", TB_TEXT("}(U\0"), TB_TEXT("u"));
    files_open(s, "empty.pt", WHIT_ERR_FORMAT, "empty.pt: a tensor whose key is empty");
    put_wrapped(s, "odd.pt", TB_TEXT("}(U\14__metadata__"), TB_TEXT("u"));
    files_open(s, "odd.pt", WHIT_ERR_FORMAT, ": is no name for a tensor");
}

#define FLAG "K\1\x89"
#define FLAGS8 FLAG FLAG FLAG FLAG FLAG FLAG FLAG FLAG
#define FLAGS64 FLAGS8 FLAGS8 FLAGS8 FLAGS8 FLAGS8 FLAGS8 FLAGS8 FLAGS8

/* A key of 1 MiB that is remembered, and used again and again: two octets each time. */
static void test_long_names(const scratch *s)
{
    enum { KEY = 1 << 20 };
    char *key = malloc(KEY + 1);
    if (!key) scratch_die("a key");
    memset(key, 'k', KEY);
    key[KEY] = 0;
    for (unsigned times = 10; times <= 30; times += 20) {
        st_text before = { 0 };
        st_put(&before, "}(", 2);
        tb_text(&before, key);
        st_put(&before, "q\0N", 3);
        for (unsigned i = 0; i < times; i++) st_put(&before, "h\0N", 3);
        st_put(&before, "U\1w", 3);
        put_wrapped(s, "long.pt", before.data, before.len, TB_TEXT("u"));
        whit_file *f = files_open(s, "long.pt", times < 16 ? WHIT_OK : WHIT_ERR_FORMAT,
                                  times < 16 ? "" : "longer names than a file of its size has");
        CHECK(!f == (times > 16), "%u times", times);
        whit_file_close(f);
        free(before.data);
    }
    free(key);
}

/* One tensor under very many keys, which are two octets each, and deflated next to nothing. */
static void test_many_references(const scratch *s)
{
    enum { FREE = 1 << 16 };
    static const uint64_t two[1] = { 2 }, one[1] = { 1 };
    for (size_t times = FREE; times <= FREE + 1; times++) {
        zb_build z = { 0 };
        tb_build b = { 0 };
        st_text pickle = { 0 };
        st_put(&b.items, "(", 1);
        tb_value(&b, tb_add(&b, "Float", "\0\0\200\77\0\0\0\100", 2, 8), 0, 1, two, one);
        st_put(&b.items, "q\0", 2);
        for (size_t i = 1; i < times; i++) st_put(&b.items, "h\0", 2);
        st_put(&pickle, "\x80\2]", 3);
        st_put(&pickle, b.items.data, b.items.len);
        st_put(&pickle, "e.", 2);
        zb_add(&z, "r/data.pkl", pickle.data, pickle.len, 8);
        zb_add(&z, "r/data/0", b.data.data, b.data.len, 0);
        zb_write(&z, s, "many.pt");
        whit_file *f = files_open(s, "many.pt", times == FREE ? WHIT_OK : WHIT_ERR_FORMAT,
                                  times == FREE ? "" : "more tensors than a file of its size has");
        CHECK(!f == (times > FREE), "%zu times", times);
        whit_file_close(f);
        free(pickle.data);
        tb_free(&b);
    }
}

/* What is deep, and what is at the limits of values and of the stack, is read or refused alike:
 * one step further changes the verdict. */
static void test_limits(const scratch *s)
{
    static const struct {
        const char *each; /* behind "a": None, and for "b" this */
        size_t times;
        const char *refused;
    } rows[] = {
        { "\x85", 100, NULL }, /* ((..(None,)..),) */
        { "\x85", 100000, "its values are nested more than 256 deep" },
        { "]0", 3999000, NULL },
        { "]0", 4000000, "more than 4000000 values" },
        { "N", 999000, NULL },
        { "N", 1000000, "more than a million values on the stack" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int listed = rows[i].each[0] == 'N';
        st_text before = { 0 };
        st_put(&before, TB_TEXT("}(U\1aNU\1b"));
        st_put(&before, listed ? "](" : "N", listed ? 2 : 1);
        for (size_t k = 0; k < rows[i].times; k++)
            st_put(&before, rows[i].each, strlen(rows[i].each));
        if (listed) st_put(&before, "e", 1);
        st_put(&before, TB_TEXT("U\1w"));
        put_wrapped(s, "limit.pt", before.data, before.len, TB_TEXT("u"));
        whit_file *f = files_open(s, "limit.pt", rows[i].refused ? WHIT_ERR_FORMAT : WHIT_OK,
                                  rows[i].refused ? rows[i].refused : "");
        if (f)
            CHECK(whit_file_count(f) == 1 && has_warning(f, "a, ..: no tensors, and left out"),
                  "row %zu: %s", i, whit_file_warning(f, 0));
        whit_file_close(f);
        free(before.data);
    }
}

static void test_names(const scratch *s)
{
    static const struct {
        const char *before;
        size_t before_len;
        const char *after;
        size_t after_len;
        const char *name;    /* NULL: refused, with these words: */
        const char *warning; /* NULL: none */
    } rows[] = {
        /* clang-format off */
        { TB_TEXT("}U\1w"), TB_TEXT("s"), "w", NULL },
        { TB_TEXT(""), TB_TEXT(""), "n", NULL }, /* alone: the file is n.pt */
        { TB_TEXT("]("), TB_TEXT("e"), "0", NULL },
        { TB_TEXT("](K\1"), TB_TEXT("e"), "1", "0: no tensor, and left out" },
        { TB_TEXT("}K\7"), TB_TEXT("s"), "7", NULL },
        { TB_TEXT("}U\1a}U\1b}U\1c"), TB_TEXT("sss"), "a.b.c", NULL },
        { TB_TEXT("}U\nstate_dict}U\1w"), TB_TEXT("ss"), "w", NULL },
        { TB_TEXT("}U\5model}U\1w"), TB_TEXT("ss"), "w", NULL },
        { TB_TEXT("}U\20model_state_dict}U\1w"), TB_TEXT("ss"), "w", NULL },
        { TB_TEXT("}U\6module}U\1w"), TB_TEXT("sU\5epochK\3s"), NULL, NULL },
        { TB_TEXT("}(U\5epochK\3U\6module}U\1w"), TB_TEXT("su"), "w", "epoch: no tensor, and left out" },
        { TB_TEXT("}(U\1aNU\1bG\0\0\0\0\0\0\0\0U\1cU\1xU\1w"), TB_TEXT("u"), "w", "a, ..: no tensors, and left out" },
        { TB_TEXT("}U\10optimize}U\1w"), TB_TEXT("ss"), "optimize.w", NULL },
        { TB_TEXT("}U\7model.w"), TB_TEXT("s"), "model.w", NULL }, /* a name, no dict */
        { TB_TEXT("}(U\5model}U\7model.w"), TB_TEXT("u"), "model.w", NULL }, /* a dict, without tensors */
        { TB_TEXT("ccollections\nOrderedDict\n]](U\1w"), TB_TEXT("ea\x85R"), "w", NULL },
        { TB_TEXT("ccollections\nOrderedDict\n)R(U\1w"), TB_TEXT("u}U\1mK\1sb"), "w", NULL },
        { TB_TEXT("}(U\1dctorch\ndevice\nU\4cuda\x85RU\1w"), TB_TEXT("u"), "w", "d: no tensor" },
        { TB_TEXT("}U\1wctorch._utils\n_rebuild_parameter\n("), TB_TEXT("\x88" "ccollections\nOrderedDict\n)RtRs"), "w", NULL },
        { TB_TEXT("}U\1wctorch._utils\n_rebuild_parameter\n("), TB_TEXT("\x88}(" FLAGS64 "utRs"), "w", NULL },
        { TB_TEXT("}U\1wctorch._utils\n_rebuild_parameter\n("), TB_TEXT("\x88}(" FLAGS64 FLAG "utRs"), NULL, NULL }, /* too many to look at for each */
        { TB_TEXT("}(U\5modelK\1U\5model}U\1w"), TB_TEXT("su"), "w", "model: no tensor, and left out" }, /* the last one counts */
        { TB_TEXT("}(U\4seed\x8a\11\0\0\0\0\0\0\0\x80\0U\1w"), TB_TEXT("u"), "w", "seed: no tensor, and left out" }, /* 2^63 */
        { TB_TEXT("}(U\4seed\x8b\14\0\0\0abcdefghijklU\1w"), TB_TEXT("u"), "w", "seed: no tensor, and left out" },
        { TB_TEXT("}(\x8a\11\0\0\0\0\0\0\0\x80\0NU\1w"), TB_TEXT("u"), "w", "?: no tensor, and left out" },
        { TB_TEXT("}(U\1a}K\0K\1\x86NsU\1w"), TB_TEXT("u"), "w", "a.?: no tensor, and left out" }, /* { a: { (0, 1): None } } */
        { TB_TEXT("}(NK\2\x88](K\3eU\1w"), TB_TEXT("u"), "w", "?, ..: no tensors, and left out" },
        { TB_TEXT("}(K\0K\1\x86U\1aU\1w"), TB_TEXT("u"), "w", "?: no tensor, and left out" },
        { TB_TEXT("}K\0K\1\x86"), TB_TEXT("s"), NULL, NULL },
        { TB_TEXT("}\x8a\11\0\0\0\0\0\0\0\x80\0"), TB_TEXT("s"), NULL, NULL },
        { TB_TEXT("}(U\1aNN}U\1b"), TB_TEXT("su"), NULL, NULL }, /* { a: None, None: { b: w } } */
        { TB_TEXT("]"), TB_TEXT("0"), NULL, NULL },               /* popped: nothing is left */
        { TB_TEXT("}U\14__metadata__"), TB_TEXT("s"), NULL, NULL },
        { TB_TEXT("}U\0"), TB_TEXT("s"), NULL, NULL },
        { TB_TEXT("}N"), TB_TEXT("s"), NULL, NULL },
        { TB_TEXT("}U\1w"), TB_TEXT(""), NULL, NULL },            /* values left over */
        { TB_TEXT("}(U\1w"), TB_TEXT(""), NULL, NULL },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_wrapped(s, "n.pt", rows[i].before, rows[i].before_len, rows[i].after,
                    rows[i].after_len);
        whit_file *f = files_open(s, "n.pt", rows[i].name ? WHIT_OK : WHIT_ERR_FORMAT, "");
        if (!f) continue;
        CHECK(whit_file_count(f) == 1 && strcmp(whit_file_tensor(f, 0)->name, rows[i].name) == 0,
              "row %zu: %s", i, whit_file_tensor(f, 0)->name);
        CHECK(whit_file_warnings(f) == (rows[i].warning != NULL) &&
                  (!rows[i].warning || has_warning(f, rows[i].warning)),
              "row %zu: %s", i, whit_file_warning(f, 0));
        whit_file_close(f);
    }
}

/* What an optimizer keeps beside the state: told, and named by where it is. An empty tensor may lie
 * anywhere. */
static void test_beside(const scratch *s)
{
    static const uint64_t none[2] = { 0, 2 }, stride[2] = { 4, 1 };
    tb_build b = { 0 };
    put_wrapped(s, "b.pt", TB_TEXT("}(U\5model}U\1w"), TB_TEXT("q\0sU\11optimizer}U\1mh\0su"));
    whit_file *f = files_open(s, "b.pt", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 2 && whit_file_find(f, "model.w") != WHIT_NOT_FOUND &&
              whit_file_find(f, "optimizer.m") != WHIT_NOT_FOUND,
          "names");
    CHECK(f &&
              has_warning(f, "1 tensor beside those of its model, as optimizer.m, read as weights"),
          "not told");
    whit_file_close(f);
    tb_tensor(&b, "e", tb_add(&b, "Float", "\0\0\200\77\0\0\0\100", 2, 8), 5, 2, none, stride);
    tb_write_zip(&b, s, "e.pt", 0);
    f = files_open(s, "e.pt", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 1 && whit_file_tensor(f, 0)->bytes == 0, "an empty tensor");
    whit_file_close(f);
    tb_free(&b);
}

/* Data that two names share, tensors without a name, storages that nobody names. */
static void test_left_out(const scratch *s)
{
    static const uint64_t two[1] = { 2 }, one[1] = { 1 };
    zb_build z = { 0 };
    tb_build b = { 0 };
    st_text pickle = { 0 };
    const size_t st = tb_add(&b, "Float", "\0\0\200\77\0\0\0\100", 2, 8);
    tb_tensor(&b, "a", st, 0, 1, two, one);
    tb_tensor(&b, "b", st, 0, 1, two, one);
    st_put(&b.items, "U\1c", 3);
    tb_value(&b, st, 1, 1, one, one);
    st_put(&b.items, "0N", 2);
    tb_pickle(&b, &pickle);
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "x/data/0", b.data.data, 8, 0);
    zb_add(&z, "x/data/9", b.data.data, 8, 0);
    zb_add(&z, "x/.format_version", "1", 1, 0);
    zb_write(&z, s, "l.pt");
    whit_file *f = files_open(s, "l.pt", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 2 && whit_file_warnings(f) == 4, "warnings");
    CHECK(f && has_warning(f, "b: has the data of a, each gets its own"), "shared");
    CHECK(f && has_warning(f, "c: no tensor, and left out"), "None");
    CHECK(f && has_warning(f, "1 tensors that no key leads to are left out"), "popped");
    CHECK(f && has_warning(f, "x/data/9: not named by the checkpoint, and left out"), "a storage");
    whit_file_close(f);
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "x/code/a.py", "", 0, 0);
    zb_write(&z, s, "script.pt");
    CHECK(!files_open(s, "script.pt", WHIT_ERR_UNSUPPORTED, "a TorchScript archive"), "a program");
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "y/data.pkl", pickle.data, pickle.len, 0);
    zb_write(&z, s, "two.pt");
    CHECK(!files_open(s, "two.pt", WHIT_ERR_FORMAT, "2 data.pkl in one archive"), "two roots");
    free(pickle.data);
    tb_free(&b);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_names(&s);
    test_limits(&s);
    test_many_references(&s);
    test_no_names(&s);
    test_long_names(&s);
    test_beside(&s);
    test_left_out(&s);
    scratch_remove(&s);
    return check_result();
}
