/* tests/test_journal.c - journals: what was committed is found again, wherever the file was cut or
 * damaged; other files, links and folders in its place are refused.
 *
 * Calls that fail are torture_journal.c's.
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "io/journal.h"

#include "base/bytes.h"
#include "check.h"
#include "scratch.h"

#define HEADER 72
#define RECORD 16
#define MOST 16

static const char plan_a[WH_JOURNAL_PLAN + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char plan_b[WH_JOURNAL_PLAN + 1] =
    "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static scratch room;
static char output[SCRATCH_PATH], path[SCRATCH_PATH];

/* ---- what a journal tells -------------------------------------------------------------------- */

typedef struct told {
    size_t count;
    struct {
        uint32_t kind, key;
        uint64_t offset, len;
    } record[MOST];
    size_t stop; /* fn fails at this record; 0: never */
} told;

static whit_status listen(void *ctx, uint32_t kind, uint32_t key, uint64_t offset, uint64_t len,
                          whit_error *err)
{
    told *t = ctx;
    if (t->count >= MOST) return wh_fail(err, WHIT_ERR_FORMAT, "too many records");
    t->record[t->count].kind = kind;
    t->record[t->count].key = key;
    t->record[t->count].offset = offset;
    t->record[t->count].len = len;
    t->count++;
    return t->count == t->stop ? wh_fail(err, WHIT_ERR_FORMAT, "the listener stops") : WHIT_OK;
}

static whit_status open_plan(wh_journal *j, const char *plan, told *t, whit_error *err)
{
    *t = (told){ .stop = t->stop };
    return wh_journal_open(j, output, "log", plan, listen, t, err);
}

static void add(wh_journal *j, uint32_t kind, uint32_t key, const char *text)
{
    whit_error err = { WHIT_OK, "" };
    uint64_t at = 0;
    char back[64];
    const size_t len = strlen(text);
    CHECK(wh_journal_add(j, kind, key, text, len, &at, &err) == WHIT_OK, "%s", err.msg);
    CHECK(wh_journal_read(j, at, back, len, &err) == WHIT_OK && memcmp(back, text, len) == 0,
          "'%s' does not come back: %s", text, err.msg);
}

static void commit(wh_journal *j)
{
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_journal_commit(j, &err) == WHIT_OK, "%s", err.msg);
}

/* Two commits: of records 1 and 2; of record 3, which is empty, and 4. Ends of the file after each
 * of them. */
static void make(uint64_t *first, uint64_t *second)
{
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told t = { 0 };
    scratch_remove_tree(path);
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_OK && t.count == 0, "%s", err.msg);
    CHECK(j.end == HEADER, "begins at %llu", (unsigned long long)j.end);
    add(&j, 1, 7, "one");
    add(&j, 2, 0, "the second");
    commit(&j);
    *first = j.end;
    add(&j, 3, 0xffffffffu, "");
    add(&j, 1, 8, "four");
    commit(&j);
    *second = j.end;
    wh_journal_close(&j);
}

/* The records of the file are the first `count` of these. */
static void check_told(const told *t, size_t count, const char *where)
{
    static const struct {
        uint32_t kind, key;
        uint64_t len;
    } want[] = { { 1, 7, 3 },           { 2, 0, 10 }, { 0, 0, 4 },
                 { 3, 0xffffffffu, 0 }, { 1, 8, 4 },  { 0, 0, 4 } };
    uint64_t at = HEADER;
    CHECK(t->count == count, "%s: %zu records, not %zu", where, t->count, count);
    for (size_t i = 0; i < t->count && i < count; i++) {
        CHECK(t->record[i].kind == want[i].kind && t->record[i].key == want[i].key &&
                  t->record[i].len == want[i].len && t->record[i].offset == at + RECORD,
              "%s: record %zu", where, i);
        at += RECORD + want[i].len;
    }
}

/* The file as it is now opens with `count` records, and goes on from there. */
static void check_opens(size_t count, uint64_t end, const char *where)
{
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told t = { 0 };
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_OK, "%s: %s", where, err.msg);
    check_told(&t, count, where);
    CHECK(j.end == end, "%s: goes on at %llu, not %llu", where, (unsigned long long)j.end,
          (unsigned long long)end);
    add(&j, 5, 9, "after");
    commit(&j);
    wh_journal_close(&j);
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_OK && t.count == count + 2 &&
              t.record[count].kind == 5 && t.record[count].key == 9,
          "%s: what was added then is not there: %s", where, err.msg);
    wh_journal_close(&j);
}

/* ---- cut and damaged ------------------------------------------------------------------------- */

static void check_whole(uint64_t second)
{
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told t = { 0 };
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_OK, "%s", err.msg);
    check_told(&t, 6, "whole");
    CHECK(j.end == second, "its end");
    wh_journal_close(&j);
    t.stop = 2;
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_ERR_FORMAT && strstr(err.msg, "stops"),
          "the listener's error is lost: %s", err.msg);
    wh_journal_close(&j);
    err = (whit_error){ WHIT_OK, "" };
    t.stop = 0;
    CHECK(open_plan(&j, plan_b, &t, &err) == WHIT_ERR_ARG && t.count == 0 &&
              strstr(err.msg, "another plan; try: "),
          "another plan: %s", err.msg);
    wh_journal_close(&j);
    check_opens(6, second, "after refusals");
}

/* Cut to every length: what is not committed is gone; less than a header is no run at all. */
static void check_torn(void)
{
    uint64_t first, second;
    char where[64];
    make(&first, &second);
    size_t len;
    unsigned char *whole = scratch_read(path, &len);
    CHECK(len == second, "%zu octets", len);
    for (size_t cut = 0; cut <= len; cut++) {
        scratch_write(&room, "out.partial/log", whole, cut);
        snprintf(where, sizeof where, "cut to %zu", cut);
        if (cut >= second)
            check_opens(6, second, where);
        else if (cut >= first)
            check_opens(3, first, where);
        else
            check_opens(0, HEADER, where);
    }
    free(whole);
}

/* Each octet behind the header changed in turn: only what was committed before it counts. */
static void check_damaged(void)
{
    uint64_t first, second;
    char where[64];
    size_t len;
    make(&first, &second);
    unsigned char *whole = scratch_read(path, &len);
    for (size_t at = HEADER; at < len; at++)
        for (int bit = 0; bit < 8; bit += 3) {
            whole[at] ^= (unsigned char)(1 << bit);
            scratch_write(&room, "out.partial/log", whole, len);
            whole[at] ^= (unsigned char)(1 << bit);
            snprintf(where, sizeof where, "bit %d of octet %zu", bit, at);
            check_opens(at < first ? 0 : 3, at < first ? HEADER : first, where);
        }
    free(whole);
}

/* A record of that length behind the first commit; whatever it says, the commit before counts. */
static void check_lengths(void)
{
    static const uint64_t lengths[] = { 0,          1,          5,          0xffffffffu,
                                        1ull << 32, 1ull << 62, 1ull << 63, UINT64_MAX - 15,
                                        UINT64_MAX };
    uint64_t first, second;
    size_t len;
    char where[64];
    make(&first, &second);
    unsigned char *whole = scratch_read(path, &len);
    for (uint32_t kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            if (first + RECORD > len) scratch_die("the second commit is too short");
            wh_store32(whole + first, kind);
            wh_store64(whole + first + 8, lengths[i]);
            scratch_write(&room, "out.partial/log", whole, len);
            snprintf(where, sizeof where, "kind %u, length %llu", kind,
                     (unsigned long long)lengths[i]);
            check_opens(3, first, where);
        }
    free(whole);
}

static void check_no_journal(void)
{
    static const char text[] = "This is a letter that somebody wrote, and that has more octets than"
                               " the header of a journal has.\n";
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told t = { 0 };
    size_t len;
    scratch_text(&room, "out.partial/log", text);
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_ERR_FORMAT && t.count == 0 &&
              strstr(err.msg, "no interrupted run"),
          "%s", err.msg);
    wh_journal_close(&j);
    char *still = scratch_read(path, &len);
    CHECK(strcmp(still, text) == 0, "a file that is no journal was changed");
    free(still);
}

/* ---- in its place ---------------------------------------------------------------------------- */

static void refuse_place(const char *what)
{
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told t = { 0 };
    CHECK(open_plan(&j, plan_a, &t, &err) == WHIT_ERR_IO && strstr(err.msg, "out.partial") &&
              !strchr(err.msg, '\n'),
          "%s: status %d: %s", what, (int)err.code, err.msg);
    wh_journal_close(&j);
    scratch_remove_tree(path);
}

static void check_places(void)
{
    char folder[SCRATCH_PATH], other[SCRATCH_PATH];
    size_t len;
    scratch_path(&room, "out.partial", folder);
    scratch_remove_tree(path);
    scratch_folder(&room, "out.partial/log");
    refuse_place("a folder");
    scratch_text(&room, "else", "");
    scratch_link(&room, scratch_path(&room, "else", other), "out.partial/log");
    refuse_place("a link");
    free(scratch_read(other, &len));
    CHECK(len == 0, "a link was followed");
    scratch_link(&room, "nothing", "out.partial/log");
    refuse_place("a link to nothing");
    if (mkfifo(path, 0600) != 0) scratch_die(path);
    refuse_place("a pipe");
    scratch_remove_tree(folder);
    scratch_text(&room, "out.partial", "a file");
    refuse_place("a file in place of the folder");
    scratch_remove_tree(folder);
}

/* ---- without a name, removed ----------------------------------------------------------------- */

static size_t names(void)
{
    size_t n = 0;
    DIR *d = opendir(room.path);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static void check_spill(void)
{
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    const size_t before = names();
    CHECK(wh_journal_open_spill(&j, output, &err) == WHIT_OK, "%s", err.msg);
    CHECK(names() == before, "a spill has a name");
    add(&j, 1, 1, "spilled");
    commit(&j);
    add(&j, 1, 2, "and more");
    char past[8];
    CHECK(wh_journal_read(&j, j.end, past, sizeof past, &err) != WHIT_OK &&
              strstr(err.msg, "a spill file"),
          "reads beyond its end: %s", err.msg);
    wh_journal_close(&j);
    CHECK(j.fd == -1, "is closed");
    wh_journal_close(&j); /* once more is fine */
}

static void check_remove(void)
{
    uint64_t first, second;
    char folder[SCRATCH_PATH], slashes[SCRATCH_PATH];
    scratch_path(&room, "out.partial", folder);
    snprintf(slashes, sizeof slashes, "%.900s//", output);
    make(&first, &second);
    wh_journal_remove(output, "log");
    CHECK(access(folder, F_OK) != 0, "the folder is still there");
    make(&first, &second);
    wh_journal_remove(slashes, "log");
    CHECK(access(folder, F_OK) != 0, "slashes behind the output are another output");
    make(&first, &second);
    scratch_text(&room, "out.partial/letter", "somebody's");
    wh_journal_remove(output, "log");
    CHECK(access(path, F_OK) != 0 && access(folder, F_OK) == 0, "what is not the journal's");
    scratch_remove_tree(folder);
    wh_journal_remove(output, "log"); /* nothing there: nothing happens */
    scratch_folder(&room, "out.partial");
    wh_journal_remove(output, "log");
    CHECK(access(folder, F_OK) == 0, "a folder without a journal was removed");
    scratch_remove_tree(folder);
}

int main(void)
{
    uint64_t first, second;
    scratch_make(&room);
    scratch_path(&room, "out", output);
    scratch_path(&room, "out.partial/log", path);
    make(&first, &second);
    check_whole(second);
    check_torn();
    check_damaged();
    check_lengths();
    check_no_journal();
    check_places();
    check_spill();
    check_remove();
    scratch_remove(&room);
    return check_result();
}
