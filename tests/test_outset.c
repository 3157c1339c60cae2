/* tests/test_outset.c - output sets: what is refused, what appears when, what becomes of the old.
 *
 * One block per sentence of io/outset.h. Two runs at once, and what a killed one leaves:
 * test_outset_lock.c. Faults, and kills in the middle: test_outset_faults.c.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <errno.h>

#include "outsets.h"

static const ask one = { "out.safetensors", 0, 0, { NULL }, NULL, 0 };
static const ask two = { "dir/", 1, 0, { "config.json", "model.safetensors" }, NULL, 0 };

static void appears_whole(void)
{
    scratch s;
    char path[SCRATCH_PATH];
    struct stat st;
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    CHECK(ask_open(&s, &one, &set, &err) == WHIT_OK, "%s", err.msg);
    CHECK(exists(&s, ".out.safetensors.whit-tmp") && exists(&s, ".out.safetensors.whit-lock"),
          "the two names of the header");
    CHECK(strcmp(wh_outset_path(set, 0), scratch_path(&s, "out.safetensors", path)) == 0, "%s",
          wh_outset_path(set, 0));
    ask_fill(set, &one, "text");
    CHECK(!exists(&s, "out.safetensors"), "not before commit");
    CHECK(wh_outset_commit(set, &err) == WHIT_OK && holds(&s, "out.safetensors", "text"), "%s",
          err.msg);
    wh_outset_close(set);
    CHECK(holds(&s, "out.safetensors", "text") && debris(&s) == 0, "close changes nothing then");
    CHECK(stat(path, &st) == 0 && st.st_nlink == 1, "one name");

    CHECK(ask_open(&s, &two, &set, &err) == WHIT_OK, "%s", err.msg);
    ask_fill(set, &two, "text");
    CHECK(count_names(scratch_path(&s, "dir", path), "") == 2 && debris(&s) == 3,
          "nothing but temporary names, and the lock beside the folder");
    CHECK(wh_outset_commit(set, &err) == WHIT_OK, "%s", err.msg);
    wh_outset_close(set);
    CHECK(holds(&s, "dir/config.json", "text") && holds(&s, "dir/model.safetensors", "text"),
          "both files");
    CHECK(count_names(path, "") == 2 && debris(&s) == 0, "nothing else");
    wh_outset_close(NULL);
    scratch_remove(&s);
}

static void close_without_commit(void)
{
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    CHECK(ask_open(&s, &one, &set, &err) == WHIT_OK, "%s", err.msg);
    ask_fill(set, &one, "text");
    wh_outset_close(set);
    CHECK(ask_open(&s, &two, &set, &err) == WHIT_OK, "%s", err.msg);
    ask_fill(set, &two, "text");
    wh_outset_close(set);
    CHECK(count_names(s.path, "") == 0, "nothing is left, nor the folder that open made");

    scratch_folder(&s, "dir");
    CHECK(ask_open(&s, &two, &set, &err) == WHIT_OK, "%s", err.msg);
    wh_outset_close(set);
    CHECK(exists(&s, "dir") && count_names(s.path, "") == 1, "a folder that was there stays");

    scratch_text(&s, "dir/notes", "mine");
    CHECK(ask_open(&s, &two, &set, &err) == WHIT_OK, "a folder with other names is fine: %s",
          err.msg);
    scratch_remove_tree(scratch_path(&s, "dir/.config.json.whit-tmp", path));
    scratch_text(&s, "dir/.config.json.whit-tmp", "put there by somebody else");
    wh_outset_close(set);
    CHECK(holds(&s, "dir/notes", "mine") && debris(&s) == 1, "only what is ours goes");
    scratch_remove(&s);
}

/* What stands where the output should go. Each text is what the old files hold. */
static void in_the_way(void)
{
    static const struct {
        const char *what;
        ask a;
        whit_status want;
        const char *says;
    } cases[] = {
        /* clang-format off */
        { "a file",               { "file", 0, 0, { NULL }, NULL, 0 },            WHIT_ERR_ARG, "file: exists; try: --force" },
        { "a dangling link",      { "lost", 0, 0, { NULL }, NULL, 0 },            WHIT_ERR_ARG, "lost: exists" },
        { "a folder for a file",  { "full", 0, 1, { NULL }, NULL, 0 },            WHIT_ERR_ARG, "is a folder" },
        { "the same, slash",      { "full/", 0, 1, { NULL }, NULL, 0 },           WHIT_ERR_ARG, "is a folder" },
        { "a pipe",               { "pipe", 0, 1, { NULL }, NULL, 0 },            WHIT_ERR_ARG, "no regular file" },
        { "link to a device",     { "null", 0, 1, { NULL }, NULL, 0 },            WHIT_ERR_ARG, "no regular file" },
        { "a file for a folder",  { "file", 1, 1, { "a" }, NULL, 0 },             WHIT_ERR_ARG, "is no folder" },
        { "dangling for a folder", { "lost", 1, 1, { "a" }, NULL, 0 },            WHIT_ERR_ARG, "is no folder" },
        { "first name exists",    { "full", 1, 0, { "a", "z" }, NULL, 0 },        WHIT_ERR_ARG, "full/a: exists" },
        { "last name exists",     { "full", 1, 0, { "z", "a" }, NULL, 0 },        WHIT_ERR_ARG, "full/a: exists" },
        { "one beside exists",    { "new", 0, 0, { "z", "file" }, NULL, 0 },      WHIT_ERR_ARG, "file: exists" },
        { "beside a path",        { "new", 0, 1, { "full/z" }, NULL, 0 },         WHIT_ERR_ARG, "no plain" },
        { "a name is a folder",   { "full", 1, 1, { "sub" }, NULL, 0 },           WHIT_ERR_ARG, "is a folder" },
        { "another whole model",  { "old", 1, 0, { "z" }, NULL, 0 },              WHIT_ERR_ARG, "model.safetensors: exists" },
        { "an old index",         { "index", 1, 0, { "model.safetensors" }, NULL, 0 }, WHIT_ERR_ARG, "index.json: exists" },
        { "folder missing",       { "gone/x", 0, 1, { NULL }, NULL, 0 },          WHIT_ERR_IO,  "its folder: " },
        { "parent missing",       { "gone/x", 1, 1, { "a" }, NULL, 0 },           WHIT_ERR_IO,  "its folder: " },
        { "below a file",         { "file/x", 0, 1, { NULL }, NULL, 0 },          WHIT_ERR_IO,  "cannot be written: " },
        { "folder below a file",  { "file/x", 1, 1, { "a" }, NULL, 0 },           WHIT_ERR_IO,  "cannot be written: " },
        { "a path for a name",    { "full", 1, 1, { "sub/x" }, NULL, 0 },         WHIT_ERR_ARG, "no plain" },
        { "no name",              { "full", 1, 1, { "z", "" }, NULL, 0 },         WHIT_ERR_ARG, "no plain" },
        { "the folder above",     { "full", 1, 1, { ".." }, NULL, 0 },            WHIT_ERR_ARG, "no plain" },
        { "no files",             { "new", 1, 1, { NULL }, NULL, 0 },             WHIT_ERR_ARG, "" },
        { "one name twice",       { "new", 1, 1, { "a", "a" }, NULL, 0 },         WHIT_ERR_ARG, "" },
        /* clang-format on */
    };
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    scratch_make(&s);
    scratch_text(&s, "file", "old");
    scratch_link(&s, "nowhere", "lost");
    scratch_link(&s, "/dev/null", "null");
    scratch_folder(&s, "full");
    scratch_folder(&s, "full/sub");
    scratch_text(&s, "full/a", "old");
    scratch_folder(&s, "old");
    scratch_text(&s, "old/model.safetensors", "old");
    scratch_folder(&s, "index");
    scratch_text(&s, "index/model.safetensors.index.json", "{}");
    CHECK(mkfifo(scratch_path(&s, "pipe", path), 0600) == 0, "%s", strerror(errno));
    size_t before = count_names(s.path, "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_outset *set = (void *)&s; /* not NULL */
        whit_status st = ask_open(&s, &cases[i].a, &set, &err);
        CHECK(st == cases[i].want && strstr(err.msg, cases[i].says), "%s: status %d, %s",
              cases[i].what, (int)st, err.msg);
        CHECK(st == WHIT_OK || set == NULL, "%s: *out is NULL", cases[i].what);
        if (st == WHIT_OK) wh_outset_close(set);
        CHECK(count_names(s.path, "") == before, "%s: left something", cases[i].what);
    }
    CHECK(holds(&s, "file", "old") && holds(&s, "full/a", "old"), "nothing was replaced");
    wh_outset_spec spec = { "", 0, NULL, 1, 0, NULL, 0, 0 };
    wh_outset *set = NULL;
    CHECK(wh_outset_open(&set, &spec, &err) == WHIT_ERR_ARG, "no path");
    scratch_remove(&s);
}

static void force_replaces(void)
{
    static const ask file = { "file", 0, 1, { NULL }, NULL, 0 };
    static const ask link_there = { "link", 0, 1, { NULL }, NULL, 0 };
    static const ask folder = { "dir", 1, 1, { "a", "b", "c" }, NULL, 0 };
    static const ask beside = { "dir/all", 0, 1, { "d", "model.safetensors" }, NULL, 0 };
    scratch s;
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    scratch_text(&s, "file", "old");
    scratch_text(&s, "target", "old");
    scratch_link(&s, "target", "link");
    scratch_folder(&s, "dir");
    scratch_text(&s, "dir/b", "old");
    scratch_text(&s, "dir/d", "old");
    CHECK(ask_open(&s, &file, &set, &err) == WHIT_OK, "%s", err.msg);
    ask_fill(set, &file, "new");
    CHECK(holds(&s, "file", "old"), "not before commit");
    wh_outset_close(set);
    CHECK(holds(&s, "file", "old"), "nor without it");
    CHECK(ask_run(&s, &file, "new", &err) == WHIT_OK && holds(&s, "file", "new"), "%s", err.msg);
    CHECK(ask_run(&s, &link_there, "new", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "link", "new") && holds(&s, "target", "old"), "the link, not its target");
    CHECK(ask_run(&s, &folder, "new", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "dir/a", "new") && holds(&s, "dir/b", "new") && holds(&s, "dir/c", "new") &&
              holds(&s, "dir/d", "old"),
          "the names of the set, and no other");
    scratch_text(&s, "dir/model.safetensors.index.json",
                 "{\"weight_map\":{\"t\":\"b.safetensors\"}}");
    scratch_text(&s, "dir/b.safetensors", "old");
    CHECK(ask_run(&s, &beside, "newer", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "dir/d", "newer") && holds(&s, "dir/model.safetensors", "newer") &&
              holds(&s, "dir/a", "new") && holds(&s, "dir/b.safetensors", "old") &&
              exists(&s, "dir/model.safetensors.index.json"),
          "files side by side leave a model that is there alone");
    CHECK(debris(&s) == 0, "no debris");
    scratch_remove(&s);
}

/* in/model-1.safetensors is the input, under every name that leads to it. */
static void never_the_input(void)
{
    static const struct {
        const char *what;
        ask a;
    } cases[] = {
        /* clang-format off */
        { "itself",             { "in/model-1.safetensors", 0, 1, { NULL }, NULL, 0 } },
        { "another way there",  { "dir/../in/model-1.safetensors", 0, 1, { NULL }, NULL, 0 } },
        { "symbolic link",      { "soft", 0, 1, { NULL }, NULL, 0 } },
        { "link to a link",     { "soft2", 0, 1, { NULL }, NULL, 0 } },
        { "hard link",          { "hard", 0, 1, { NULL }, NULL, 0 } },
        { "hard link, no force", { "hard", 0, 0, { NULL }, NULL, 0 } },
        { "in its folder",      { "in", 1, 1, { "a", "model-1.safetensors" }, NULL, 0 } },
        { "in a linked folder", { "inlink", 1, 1, { "a", "model-1.safetensors" }, NULL, 0 } },
        { "linked in a folder", { "dir", 1, 1, { "a", "soft", "b" }, NULL, 0 } },
        { "named by the index", { "in", 1, 1, { "model.safetensors" }, NULL, 0 } },
        { "index, hard link",   { "dir", 1, 1, { "model.safetensors" }, NULL, 0 } },
        { "old model file",     { "only", 1, 1, { "new-1.safetensors" }, NULL, 0 } },
        { "the same, no force", { "only", 1, 0, { "new-1.safetensors" }, NULL, 0 } },
        { "our temporary name", { "tmp", 0, 1, { NULL }, NULL, 0 } },
        /* clang-format on */
    };
    static const char index[] = "{\"weight_map\":{\"t\":\"model-1.safetensors\"}}";
    scratch s;
    char from[SCRATCH_PATH], to[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    scratch_folder(&s, "in");
    scratch_folder(&s, "dir");
    scratch_folder(&s, "only");
    scratch_text(&s, "in/model-1.safetensors", "precious");
    scratch_text(&s, "in/model.safetensors.index.json", index);
    scratch_text(&s, "dir/model.safetensors.index.json", index);
    scratch_link(&s, "in", "inlink");
    scratch_link(&s, "in/model-1.safetensors", "soft");
    scratch_link(&s, "soft", "soft2");
    scratch_link(&s, "../soft2", "dir/soft");
    scratch_link(&s, "../soft2", "only/model.safetensors");
    scratch_path(&s, "in/model-1.safetensors", from);
    CHECK(link(from, scratch_path(&s, "hard", to)) == 0, "%s", strerror(errno));
    CHECK(link(from, scratch_path(&s, "dir/model-1.safetensors", to)) == 0, "%s", strerror(errno));
    CHECK(link(from, scratch_path(&s, ".tmp.whit-tmp", to)) == 0, "%s", strerror(errno));
    size_t before = count_names(s.path, "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask a = cases[i].a;
        a.input = "in/model-1.safetensors";
        whit_status st = ask_open(&s, &a, &set, &err);
        CHECK(st == WHIT_ERR_ARG && strstr(err.msg, "is the input"), "%s: status %d, %s",
              cases[i].what, (int)st, err.msg);
        if (st == WHIT_OK) wh_outset_close(set);
        CHECK(count_names(s.path, "") == before && holds(&s, a.input, "precious"),
              "%s: changed something", cases[i].what);
    }
    ask gone = { "x", 0, 0, { NULL }, "missing", 0 };
    CHECK(ask_open(&s, &gone, &set, &err) == WHIT_ERR_IO && count_names(s.path, "") == before, "%s",
          err.msg);
    ask beside = { "in", 1, 0, { "b" }, "in/model-1.safetensors", 0 };
    scratch_remove_tree(scratch_path(&s, "in/model.safetensors.index.json", to));
    scratch_text(&s, "in/.old.whit-tmp", "");
    CHECK(link(from, scratch_path(&s, "in/.x.whit-tmp", to)) == 0, "%s", strerror(errno));
    CHECK(ask_run(&s, &beside, "new", &err) == WHIT_OK, "other names in its folder: %s", err.msg);
    CHECK(holds(&s, "in/.x.whit-tmp", "precious") && !exists(&s, "in/.old.whit-tmp"),
          "cleaning up spares it too");
    scratch_remove(&s);
}

static void old_model_goes(void)
{
    static const ask shards = { "dir", 1,
                                1,     { "model-1.safetensors", "model.safetensors.index.json" },
                                NULL,  0 };
    static const ask only = { "dir", 1, 1, { "config.json", "model.safetensors" }, NULL, 0 };
    static const char index[] =
        "{\"metadata\":{\"total_size\":[1,{\"a\":2}]},\"weight_map\":{\"a\":\"model-1."
        "safetensors\","
        "\"b\":\"model-2.safetensors\",\"c\":\"model-2.safetensors\",\"d\":\"../up.safetensors\","
        "\"e\":\"notes.json\",\"f\":\"folder.safetensors\",\"g\":\".safetensors\"}}";
    scratch s;
    whit_error err;
    scratch_make(&s);
    scratch_folder(&s, "dir");
    scratch_folder(&s, "dir/folder.safetensors");
    static const char *const files[] = { "up.safetensors",          "dir/model-1.safetensors",
                                         "dir/model-2.safetensors", "dir/model-3.safetensors",
                                         "dir/notes.json",          "dir/.safetensors" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) scratch_text(&s, files[i], "old");
    scratch_text(&s, "dir/model.safetensors.index.json", index);
    CHECK(ask_run(&s, &shards, "new", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "dir/model-1.safetensors", "new") && !exists(&s, "dir/model-2.safetensors"),
          "shards that the old index names and the job does not write");
    CHECK(holds(&s, "dir/model.safetensors.index.json", "new"), "the new index");
    CHECK(holds(&s, "up.safetensors", "old") && holds(&s, "dir/model-3.safetensors", "old") &&
              holds(&s, "dir/notes.json", "old") && holds(&s, "dir/.safetensors", "old") &&
              exists(&s, "dir/folder.safetensors"),
          "nothing else");

    /* One that does not parse to its end removes nothing but itself. */
    scratch_text(&s, "dir/model-2.safetensors", "old");
    static const char *const malformed[] = {
        "",
        "[]",
        "{\"weight_map\":{\"b\":\"model-2.safetensors\"}",
        "{\"weight_map\":{\"b\":\"model-2.safetensors\"}} x",
        "{\"weight_map\":{\"b\":\"model-2.safetensors\",\"c\":1}}",
        "{\"weight_map\":[]}",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        scratch_text(&s, "dir/model.safetensors.index.json", malformed[i]);
        CHECK(ask_run(&s, &only, "new", &err) == WHIT_OK, "%s: %s", malformed[i], err.msg);
        CHECK(!exists(&s, "dir/model.safetensors.index.json") &&
                  holds(&s, "dir/model-2.safetensors", "old") &&
                  holds(&s, "dir/model.safetensors", "new"),
              "%s", malformed[i]);
    }
    CHECK(ask_run(&s, &shards, "newer", &err) == WHIT_OK && !exists(&s, "dir/model.safetensors"),
          "the only model file goes: %s", err.msg);
    CHECK(debris(&s) == 0, "no debris");
    scratch_remove(&s);
}

/* As a user whom the system can refuse. */
static void unwritable(void)
{
    static const ask inside = { "shut/x", 0, 0, { NULL }, NULL, 0 };
    static const ask below = { "shut/new", 1, 0, { "a" }, NULL, 0 };
    static const ask open_one = { "shut/open", 1, 0, { "a" }, NULL, 0 };
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL, *second = NULL;
    if (geteuid() == 0) {
        printf("skip: unwritable folders, as root may write anywhere\n");
        return;
    }
    scratch_make(&s);
    scratch_folder(&s, "shut");
    scratch_folder(&s, "shut/open");
    CHECK(chmod(scratch_path(&s, "shut", path), 0500) == 0, "%s", strerror(errno));
    CHECK(ask_open(&s, &inside, &set, &err) == WHIT_ERR_IO && strstr(err.msg, strerror(EACCES)),
          "%s", err.msg);
    CHECK(ask_open(&s, &below, &set, &err) == WHIT_ERR_IO && strstr(err.msg, strerror(EACCES)),
          "%s", err.msg);
    CHECK(ask_open(&s, &open_one, &set, &err) == WHIT_OK, "the lock goes inside: %s", err.msg);
    CHECK(exists(&s, "shut/open/.open.whit-lock"), "as the header of io/lock.h says");
    CHECK(ask_open(&s, &open_one, &second, &err) == WHIT_ERR_ARG, "and keeps out: %s", err.msg);
    CHECK(wh_outset_commit(set, &err) == WHIT_OK, "%s", err.msg);
    wh_outset_close(set);
    CHECK(exists(&s, "shut/open/a") && debris(&s) == 0, "no debris");
    chmod(path, 0700);
    scratch_remove(&s);
}

int main(void)
{
    appears_whole();
    close_without_commit();
    in_the_way();
    force_replaces();
    never_the_input();
    old_model_goes();
    unwritable();
    return check_result();
}
