/* tests/test_base.c - error lines, memory, buffers, lists of lines, ordered parallel work.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/buf.h"
#include "base/error.h"
#include "base/lines.h"
#include "base/mem.h"
#include "base/thread.h"

#include "check.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Allocations that cannot be are tested too: sanitizers shall say NULL, as the system does. They
 * find these functions only if they are not hidden. */
WHIT_API const char *__asan_default_options(void);
WHIT_API const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
WHIT_API const char *__msan_default_options(void);
WHIT_API const char *__msan_default_options(void)
{
    return "allocator_may_return_null=1";
}
WHIT_API const char *__tsan_default_options(void);
WHIT_API const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* 1 if no code point of the text is cut short or lacks its lead octet. */
static int whole_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        int more = *p < 0x80 ? 0 : *p < 0xc0 ? -1 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
        if (more < 0) return 0;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_fail(void)
{
    whit_error err = { WHIT_OK, "" };
    char text[400];
    CHECK(wh_fail(NULL, WHIT_ERR_IO, "%s", "x") == WHIT_ERR_IO, "NULL err");
    CHECK(wh_fail(&err, WHIT_ERR_NOMEM, "%s: %d", "f", 3) == WHIT_ERR_NOMEM, "its code");
    CHECK(err.code == WHIT_ERR_NOMEM && strcmp(err.msg, "f: 3") == 0, "%s", err.msg);
    for (int c = 1; c < 128; c++) {
        int control = c < 0x20 || c == 0x7f;
        snprintf(text, sizeof text, "a%cb", c);
        wh_fail(&err, WHIT_ERR_ARG, "%s", text);
        CHECK(err.msg[1] == (control ? '?' : c) && strlen(err.msg) == 3, "octet %d", c);
    }
    wh_fail(&err, WHIT_ERR_ARG, "two\nlines%s", "");
    CHECK(strcmp(err.msg, "two?lines") == 0, "of the format itself: %s", err.msg);
    wh_fail(&err, WHIT_ERR_ARG, "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80%s", "");
    CHECK(strcmp(err.msg, "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == 0, "text stays");
    /* U+0080 to U+009F are control characters as well; U+009B opens a terminal's sequences. */
    int passed = 0;
    for (int c = 0x80; c < 0xa0; c++) {
        snprintf(text, sizeof text, "a\xc2%cb", c);
        wh_fail(&err, WHIT_ERR_ARG, "%s", text);
        passed += strchr(err.msg, (char)c) != NULL;
    }
    CHECK(passed == 0, "%d of the 32 C1 controls pass", passed);
}

static void test_fail_long(void)
{
    static const char *const glyphs[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t g = 0; g < COUNT(glyphs); g++)
        for (int shift = 0; shift < 4; shift++) {
            struct {
                whit_error err;
                char guard[8];
            } s;
            char text[600];
            size_t n = 0, width = strlen(glyphs[g]);
            memset(&s, 0x5a, sizeof s);
            for (int i = 0; i < shift; i++) text[n++] = 'x';
            for (; n + width < 500; n += width) memcpy(text + n, glyphs[g], width);
            text[n] = 0;
            wh_fail(&s.err, WHIT_ERR_ARG, "%s", text);
            n = strlen(s.err.msg);
            CHECK(n < sizeof s.err.msg && n + 4 >= sizeof s.err.msg - 1, "%zu octets", n);
            CHECK(memcmp(s.err.msg, text, n) == 0, "its start");
            CHECK(whole_utf8(s.err.msg), "code points of %zu octets behind %d: cut", width, shift);
            CHECK(memcmp(s.guard, "ZZZZZZZZ", 8) == 0, "written past the end");
        }
}

static void test_prefix(void)
{
    whit_error err = { WHIT_OK, "" };
    char name[300];
    CHECK(wh_prefix(NULL, WHIT_ERR_IO, "x") == WHIT_ERR_IO, "NULL err");
    wh_fail(&err, WHIT_ERR_IO, "100%% %s", "%n full");
    CHECK(wh_prefix(&err, WHIT_ERR_FORMAT, "a%sb\n") == WHIT_ERR_FORMAT, "code");
    CHECK(err.code == WHIT_ERR_FORMAT && strcmp(err.msg, "a%sb?: 100% %n full") == 0, "%s",
          err.msg);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    wh_fail(&err, WHIT_ERR_IO, "%.200s", name);
    wh_prefix(&err, WHIT_ERR_IO, name);
    const char *colon = strstr(err.msg, ": ");
    CHECK(colon && colon - err.msg < WH_SHORT && strlen(err.msg) < sizeof err.msg, "%s", err.msg);
    CHECK(strstr(err.msg, "...") && strstr(err.msg, "...") < colon, "shortened: %s", err.msg);
}

static void test_short(void)
{
    static const char *const glyphs[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                          "\xbf" /* never a lead octet */ };
    for (size_t g = 0; g < COUNT(glyphs); g++)
        for (size_t shift = 0; shift < 4; shift++)
            for (size_t count = 0; count < 120; count++) {
                char name[600], buf[WH_SHORT + 8];
                size_t n = 0, width = strlen(glyphs[g]);
                memset(buf, 'Z', sizeof buf);
                for (; n < shift; n++) name[n] = 'x';
                for (size_t i = 0; i < count; i++, n += width) memcpy(name + n, glyphs[g], width);
                memcpy(name + n, "end", 4);
                n += 3;
                CHECK(wh_short(buf, name) == buf, "returns buf");
                CHECK(memcmp(buf + WH_SHORT, "ZZZZZZZZ", 8) == 0, "written past the end");
                if (n < WH_SHORT) {
                    CHECK(strcmp(buf, name) == 0, "%zu octets fit", n);
                    continue;
                }
                size_t len = strlen(buf);
                const char *cut = strstr(buf, "...");
                CHECK(cut && len < WH_SHORT, "%zu of %zu octets", len, n);
                if (!cut || g == 4) continue;
                CHECK(len + 8 >= WH_SHORT, "no more lost than needed: %zu of %zu", len, n);
                CHECK(whole_utf8(buf), "%zu octets of %zu, shift %zu: cut", n, width, shift);
                CHECK(memcmp(buf, name, (size_t)(cut - buf)) == 0, "the head");
                CHECK(strcmp(name + n - strlen(cut + 3), cut + 3) == 0, "the tail");
            }
}

static void test_names(void)
{
    CHECK(strcmp(whit_version(), WHIT_VERSION_STRING) == 0, "%s", whit_version());
    CHECK(strcmp(whit_status_name(WHIT_OK), "ok") == 0, "ok");
    CHECK(strcmp(whit_status_name(WHIT_ERR_FORMAT), "format") == 0, "format");
    for (int i = 0; i <= WHIT_ERR_CANCELLED; i++)
        for (int j = 0; j <= WHIT_ERR_CANCELLED; j++)
            CHECK((strcmp(whit_status_name((whit_status)i), whit_status_name((whit_status)j)) ==
                   0) == (i == j),
                  "%d and %d", i, j);
    CHECK(strcmp(whit_status_name((whit_status)(WHIT_ERR_CANCELLED + 1)), "unknown") == 0, "later");
    CHECK(strcmp(whit_status_name((whit_status)-1), "unknown") == 0, "-1");
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_checked(void)
{
    static const struct {
        uint64_t a, b, product, sum;
        int product_fits, sum_fits;
    } cases[] = {
        { 0, UINT64_MAX, 0, UINT64_MAX, 1, 1 },
        { 1, UINT64_MAX, UINT64_MAX, 0, 1, 0 },
        { 2, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX / 2 + 2, 1, 1 },
        { 2, UINT64_MAX / 2 + 1, 0, UINT64_MAX / 2 + 3, 0, 1 },
        { 4294967296, 4294967295, 18446744069414584320u, 8589934591, 1, 1 },
        { 4294967296, 4294967296, 0, 8589934592, 0, 1 },
        { UINT64_MAX, UINT64_MAX, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int swap = 0; swap < 2; swap++) {
            uint64_t a = swap ? cases[i].b : cases[i].a, b = swap ? cases[i].a : cases[i].b, v = 7;
            CHECK(wh_mul_u64(a, b, &v) == cases[i].product_fits, "mul %zu", i);
            CHECK(!cases[i].product_fits || v == cases[i].product, "mul %zu", i);
            CHECK(wh_add_u64(a, b, &v) == cases[i].sum_fits, "add %zu", i);
            CHECK(!cases[i].sum_fits || v == cases[i].sum, "add %zu", i);
        }
    CHECK(wh_ceil_div(0, 5) == 0 && wh_ceil_div(5, 5) == 1 && wh_ceil_div(6, 5) == 2, "rounded up");
    CHECK(wh_ceil_div(UINT64_MAX, 2) == UINT64_MAX / 2 + 1 &&
              wh_ceil_div(UINT64_MAX, UINT64_MAX) == 1,
          "at the end of the range");
}

static void test_alloc(void)
{
    static const size_t counts[] = { 0, 1, 63, 64, 65, 1000 };
    for (size_t i = 0; i < COUNT(counts); i++) {
        unsigned char *z = wh_calloc(counts[i], 3), *p = wh_alloc_aligned(counts[i], 3);
        int zeros = z != NULL;
        for (size_t k = 0; z && k < 3 * (counts[i] ? counts[i] : 1); k++) zeros &= z[k] == 0;
        CHECK(zeros, "%zu zeroed, one for none", counts[i]);
        CHECK(p && (uintptr_t)p % 64 == 0, "%zu aligned", counts[i]);
        if (p) memset(p, 1, counts[i] * 3);
        free(z);
        wh_free_aligned(p);
    }
    wh_free_aligned(NULL);
    CHECK(wh_calloc(SIZE_MAX / 2 + 2, 2) == NULL, "a product that wraps to 2");
    CHECK(wh_alloc_aligned(SIZE_MAX / 2 + 2, 2) == NULL, "a product that wraps to 2");
    CHECK(wh_alloc_aligned(SIZE_MAX - 3, 1) == NULL, "a size that wraps when rounded up");
    const uint64_t wide = (uint64_t)1 << 40; /* 0 in 32 bits */
    CHECK(wh_calloc(wide + 1, 1 << 24) == NULL, "a count that is cut to 1");
    CHECK(wh_alloc_aligned(wide + 1, 1 << 24) == NULL, "a count that is cut to 1");
    char *s = wh_strndup("abcdef", 3), *e = wh_strndup("", 0);
    CHECK(s && strcmp(s, "abc") == 0 && e && *e == 0, "wh_strndup");
    CHECK(wh_strndup("", SIZE_MAX) == NULL, "no room for the NUL");
    free(s);
    free(e);
}

static void test_grow(void)
{
    uint32_t *v = NULL;
    void *data = NULL;
    size_t cap = 0;
    int kept = 1;
    for (uint32_t i = 0; i < 1000; i++) {
        if (!wh_grow(&data, &cap, (size_t)i + 1, sizeof *v)) break;
        v = data;
        v[i] = i * 7;
    }
    for (uint32_t i = 0; i < 1000 && cap >= 1000; i++) kept &= v[i] == i * 7;
    CHECK(cap >= 1000 && kept, "grown to %zu", cap);
    size_t before = cap;
    CHECK(wh_grow(&data, &cap, 5, sizeof *v) && cap == before && data == v, "large enough");
    CHECK(!wh_grow(&data, &cap, SIZE_MAX / 4 + 2, sizeof *v), "octets that wrap");
    CHECK(!wh_grow(&data, &cap, SIZE_MAX, 1), "no such capacity");
    CHECK(data == v && cap == before && v[999] == 6993, "kept on failure");
    free(data);
}

static void test_buf(void)
{
    wh_buf b = { 0 };
    wh_buf_put(&b, NULL, 0);
    CHECK(!b.failed && b.len == 0 && (!b.data || *b.data == 0), "nothing");
    wh_buf_puts(&b, "ab");
    wh_buf_put(&b, "\0c", 2);
    wh_buf_putf(&b, "%d-%s", -7, "");
    CHECK(b.len == 7 && memcmp(b.data, "ab\0c-7-", 8) == 0, "%zu octets and a NUL", b.len);
    for (int i = 0; i < 3000; i++) wh_buf_putf(&b, "%04d", i);
    CHECK(b.len == 12007 && strcmp(b.data + 12003, "2999") == 0, "grown");
    CHECK(b.data[b.len] == 0 && b.cap > b.len && !b.failed, "grown");
    wh_buf_put(&b, "x", SIZE_MAX - 8);
    CHECK(b.failed && b.len == 12007 && b.data[b.len] == 0, "too much: %zu", b.len);
    wh_buf_puts(&b, "y");
    wh_buf_putf(&b, "%d", 1);
    CHECK(b.failed && b.len == 12007, "failure sticks");
    wh_buf_free(&b);
    CHECK(!b.data && b.len == 0 && b.cap == 0 && !b.failed, "reset");
    wh_buf_puts(&b, "again");
    CHECK(b.data && strcmp(b.data, "again") == 0, "used again");
    wh_buf_free(&b);
    wh_buf_free(&b);
}

static void test_lines_copy(void)
{
    wh_lines from = { .limit = 2 }, to = { .limit = 4 };
    wh_lines_copy(&to, &from);
    CHECK(to.count == 0 && !to.failed, "of none");
    wh_lines_add(&to, "before");
    wh_lines_add(&from, "one%%s");
    wh_lines_add(&from, "two");
    wh_lines_add(&from, "three");
    wh_lines_copy(&to, &from);
    CHECK(to.count == 3 && to.dropped == 1 && from.count == 2, "%zu, %zu", to.count, to.dropped);
    CHECK(to.count == 3 && strcmp(wh_lines_at(&to, 1), "one%s") == 0, "in order");
    wh_lines_copy(&to, &from);
    CHECK(to.count == 4 && to.dropped == 3, "the limit: %zu, %zu", to.count, to.dropped);
    from.failed = 1;
    wh_lines_copy(&to, &from);
    CHECK(to.failed, "what is missing there is missing here");
    wh_lines_free(&from);
    wh_lines_free(&to);
}

static void test_lines(void)
{
    wh_lines l = { .limit = 2 };
    CHECK(wh_lines_at(&l, 0) == NULL, "none");
    wh_lines_add(&l, "one %d\n", 1);
    wh_lines_add(&l, "%s", "100%d\x1b[2J");
    wh_lines_add(&l, "three");
    wh_lines_add(&l, "four");
    CHECK(l.count == 2 && l.dropped == 2 && !l.failed, "%zu kept, %zu not", l.count, l.dropped);
    CHECK(l.count == 2 && strcmp(wh_lines_at(&l, 0), "one 1?") == 0, "cleaned");
    CHECK(l.count == 2 && strcmp(wh_lines_at(&l, 1), "100%d?[2J") == 0, "cleaned");
    CHECK(!wh_lines_at(&l, 2) && !wh_lines_at(&l, SIZE_MAX), "outside");
    wh_lines_free(&l);
    CHECK(l.count == 0 && !wh_lines_at(&l, 0), "empty again");
    for (int i = 0; i < 100; i++) wh_lines_add(&l, "%d", i);
    CHECK(l.count == 100 && l.dropped == 0 && strcmp(wh_lines_at(&l, 99), "99") == 0, "no limit");
    wh_lines_free(&l);
    wh_lines_free(&l);
    test_lines_copy();
}

/* ---- ordered work ---------------------------------------------------------------------------- */

enum { ITEMS = 64, NONE = 1000 };

typedef struct plan {
    unsigned threads;
    uint64_t work_fails[2], commit_fails; /* NONE: none */
    atomic_int failing;                   /* how many failing items have begun */
    unsigned worked[ITEMS], worker[ITEMS], busy[ITEMS];
    uint64_t committed[ITEMS], commits; /* no atomics: commits run one at a time */
    float sum;
    int odd; /* something that the header rules out was seen */
} plan;

static whit_status work(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    plan *p = ctx;
    check_rng r = { index };
    if (index >= ITEMS || worker >= p->threads || worker >= ITEMS) abort();
    p->worked[index]++;
    p->worker[index] = worker;
    p->busy[worker]++;
    for (uint64_t k = check_below(&r, 20); k > 0; k--) sched_yield();
    if (index != p->work_fails[0] && index != p->work_fails[1]) return WHIT_OK;
    /* Where threads allow it the later item fails first. */
    atomic_fetch_add(&p->failing, 1);
    if (index == p->work_fails[0] && p->work_fails[1] != NONE && p->threads > 1)
        for (int k = 0; k < 2000 && atomic_load(&p->failing) < 2; k++) sched_yield();
    return wh_fail(err, WHIT_ERR_NUMERIC, "work %d", (int)index);
}

static whit_status commit(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    plan *p = ctx;
    p->odd |= p->worker[index] != worker || p->worked[index] != 1 || p->busy[worker] == 0;
    p->busy[worker] = 0;
    p->sum += 1.0f / (float)(index + 1);
    p->committed[p->commits++] = index;
    if (index == p->commit_fails) return wh_fail(err, WHIT_ERR_IO, "commit %d", (int)index);
    return WHIT_OK;
}

static void test_failures(void)
{
    static const struct {
        uint64_t work0, work1, commit, commits;
        whit_status want;
        const char *msg;
    } cases[] = {
        { NONE, NONE, NONE, ITEMS, WHIT_OK, "old" },
        { 0, NONE, NONE, 0, WHIT_ERR_NUMERIC, "work 0" },
        { 3, 5, NONE, 3, WHIT_ERR_NUMERIC, "work 3" },
        { 3, 4, 2, 3, WHIT_ERR_IO, "commit 2" },
        { NONE, 6, 4, 5, WHIT_ERR_IO, "commit 4" },
        { 2, NONE, 4, 2, WHIT_ERR_NUMERIC, "work 2" },
        { NONE, NONE, ITEMS - 1, ITEMS, WHIT_ERR_IO, "commit 63" },
        { ITEMS - 1, NONE, NONE, ITEMS - 1, WHIT_ERR_NUMERIC, "work 63" },
    };
    static const unsigned threads[] = { 0, 1, 2, 8, 60 };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t t = 0; t < COUNT(threads) * 4; t++) { /* each a few times: races differ */
            unsigned n = threads[t / 4];
            plan p = { .threads = n ? n : 1,
                       .work_fails = { cases[i].work0, cases[i].work1 },
                       .commit_fails = cases[i].commit };
            whit_error err = { WHIT_ERR_BAR, "old" };
            whit_status st = wh_for_ordered(n, ITEMS, work, commit, &p, &err);
            CHECK(st == cases[i].want && strcmp(err.msg, cases[i].msg) == 0,
                  "%zu at %u threads: %d %s", i, n, (int)st, err.msg);
            CHECK(err.code == (st == WHIT_OK ? WHIT_ERR_BAR : st), "%zu: %d", i, (int)err.code);
            CHECK(p.commits == cases[i].commits && !p.odd, "%zu at %u threads: %d commits", i, n,
                  (int)p.commits);
            for (uint64_t k = 0; k < p.commits; k++)
                CHECK(p.committed[k] == k, "%zu: %d at %d", i, (int)p.committed[k], (int)k);
            if (n > 1) continue;
            uint64_t begun = 0; /* items are taken in order: one thread stops where it fails */
            for (size_t k = 0; k < ITEMS; k++) begun += p.worked[k];
            CHECK(begun == p.commits + (st == WHIT_ERR_NUMERIC), "%zu: %d begun", i, (int)begun);
        }
}

static void test_ordered(void)
{
    static const unsigned threads[] = { 1, 2, 8, 200 };
    static const uint64_t counts[] = { 0, 1, 3, 8, ITEMS };
    for (size_t c = 0; c < COUNT(counts); c++) {
        float sum = 0;
        for (uint64_t k = 0; k < counts[c]; k++) sum += 1.0f / (float)(k + 1);
        for (size_t t = 0; t < COUNT(threads); t++) {
            plan p = { .threads = threads[t], .work_fails = { NONE, NONE }, .commit_fails = NONE };
            whit_status st = wh_for_ordered(threads[t], counts[c], work, commit, &p, NULL);
            CHECK(st == WHIT_OK && p.commits == counts[c] && !p.odd, "%d items: %d commits",
                  (int)counts[c], (int)p.commits);
            CHECK(p.sum == sum, "%d items at %u threads: the same sum", (int)counts[c], threads[t]);
        }
    }
    plan p = { .threads = 3, .work_fails = { NONE, NONE }, .commit_fails = NONE };
    CHECK(wh_for_ordered(3, 20, work, NULL, &p, NULL) == WHIT_OK, "no commit");
    for (size_t k = 0; k < ITEMS; k++) CHECK(p.worked[k] == (k < 20), "item %zu once", k);
    p.work_fails[0] = 7;
    memset(p.worked, 0, sizeof p.worked);
    CHECK(wh_for_ordered(3, 20, work, NULL, &p, NULL) == WHIT_ERR_NUMERIC, "err may be NULL");
    CHECK(wh_thread_cores() >= 1, "%u cores", wh_thread_cores());
}

int main(void)
{
    test_fail();
    test_fail_long();
    test_prefix();
    test_short();
    test_names();
    test_checked();
    test_alloc();
    test_grow();
    test_buf();
    test_lines();
    test_failures();
    test_ordered();
    return check_result();
}
