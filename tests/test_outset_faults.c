/* tests/test_outset_faults.c - output sets when the system refuses, or the process is killed.
 *
 * The system calls that commit makes are replaced by ones of our own, which note what happens in
 * which order and can be told to fail, or to kill the process, at any one of them.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64 /* as outset.c, so that both mean the same statvfs */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "outsets.h"

static struct {
    const char *calls;         /* which calls count: letters of the log below; NULL: none */
    int from, to;              /* those with a number in [from, to) fail, numbered from 1 */
    int error;                 /* 0: the process is killed instead */
    const char *intruder;      /* a file that appears just before the second link */
    int seen, links, no_links; /* no_links: this file system has no hard links */
    const char *unseen;        /* the last part of a path that lstat does not find out about */
    uint64_t room;             /* free bytes that statvfs reports; 0: the true ones */
    char log[200];
} fault;

/* 1: this call is to fail. kind: F fsync, L link, P pread, R rename, U unlink; in the log with the
 * name. */
static int refused(char kind, const char *path)
{
    size_t len = strlen(fault.log);
    const char *name = path ? wh_path_name(path) : "";
    snprintf(fault.log + len, sizeof fault.log - len, "%c%s ", kind, name);
    if (!fault.calls || !strchr(fault.calls, kind)) return 0;
    fault.seen++;
    if (fault.seen < fault.from || fault.seen >= fault.to) return 0;
    if (fault.error == 0) raise(SIGKILL);
    errno = fault.error;
    return 1;
}

int fsync(int fd)
{
    return refused('F', NULL) ? -1 : fdatasync(fd);
}

/* One thread reads here. */
ssize_t pread(int fd, void *dst, size_t count, off_t at)
{
    if (refused('P', NULL) || lseek(fd, at, SEEK_SET) != at) return -1;
    return read(fd, dst, count);
}

int link(const char *from, const char *to)
{
    if (fault.intruder && ++fault.links == 2) close(open(fault.intruder, O_CREAT | O_RDWR, 0600));
    if (fault.no_links) {
        errno = EPERM;
        return -1;
    }
    return refused('L', to) ? -1 : linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int rename(const char *from, const char *to)
{
    return refused('R', to) ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
    return refused('U', path) ? -1 : unlinkat(AT_FDCWD, path, 0);
}

int lstat(const char *path, struct stat *st)
{
    if (fault.unseen && strcmp(wh_path_name(path), fault.unseen) == 0) {
        errno = EIO;
        return -1;
    }
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int statvfs(const char *path, struct statvfs *fs)
{
    int fd = open(path, O_RDONLY), rc = fd < 0 ? -1 : fstatvfs(fd, fs);
    if (fd >= 0) close(fd);
    if (fault.room > 0) fs->f_bavail = (fsblkcnt_t)fault.room, fs->f_frsize = fs->f_bsize = 1;
    return rc;
}

static void no_faults(void)
{
    memset(&fault, 0, sizeof fault);
}

static void fail_at(const char *calls, int from, int to, int error)
{
    no_faults();
    fault.calls = calls;
    fault.from = from;
    fault.to = to;
    fault.error = error;
}

#define NAMES                                                                                      \
    {                                                                                              \
        "a", "b", "model.safetensors"                                                              \
    }
static const ask fresh = { "dir", 1, 0, NAMES, NULL, 0 };
static const ask forced = { "dir", 1, 1, NAMES, NULL, 0 };
static const ask beside = { "dir/all", 0, 0, NAMES, NULL, 0 };

static int all_hold(const scratch *s, const char *text)
{
    return holds(s, "dir/a", text) && holds(s, "dir/b", text) &&
           holds(s, "dir/model.safetensors", text);
}

static void old_files(const scratch *s)
{
    scratch_folder(s, "dir");
    scratch_text(s, "dir/a", "old");
    scratch_text(s, "dir/b", "old");
    scratch_text(s, "dir/model.safetensors", "old");
}

/* Open, fill, commit; the log is that of commit alone. */
static whit_status commit_only(const scratch *s, const ask *a, wh_outset **set, whit_error *err)
{
    whit_status st = ask_open(s, a, set, err);
    CHECK(st == WHIT_OK, "%s", err->msg);
    if (st != WHIT_OK) return st;
    ask_fill(*set, a, "new");
    fault.log[0] = 0;
    fault.seen = 0;
    return wh_outset_commit(*set, err);
}

/* The order in which things happen. */
static void order(void)
{
    static const struct {
        ask a;
        const char *log;
    } cases[] = {
        /* clang-format off */
        { { "dir", 1, 0, NAMES, NULL, 0 },
          "F F F La Lb F Lmodel.safetensors "
          "U.a.whit-tmp U.b.whit-tmp U.model.safetensors.whit-tmp F F " },
        { { "dir", 1, 1, { "a", "model-2.safetensors", "model.safetensors.index.json" }, NULL, 0 },
          "F F F Umodel.safetensors F Ra Lmodel-2.safetensors F Lmodel.safetensors.index.json "
          "U.model-2.safetensors.whit-tmp U.model.safetensors.index.json.whit-tmp F " },
        { { "dir", 1, 1, { "z", "model.safetensors" }, NULL, 0 },
          "F F Umodel.safetensors.index.json F Lz F Lmodel.safetensors "
          "U.z.whit-tmp U.model.safetensors.whit-tmp F Umodel-2.safetensors " },
        { { "single", 0, 0, { NULL }, NULL, 0 }, "F Lsingle U.single.whit-tmp F " },
        { { "single", 0, 1, { NULL }, NULL, 0 }, "F Rsingle F " },
        /* clang-format on */
    };
    scratch s;
    whit_error err;
    scratch_make(&s);
    no_faults();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_outset *set = NULL;
        if (i == 2) /* as the run before wrote it, were it not for the test */
            scratch_text(&s, "dir/model.safetensors.index.json",
                         "{\"weight_map\":{\"t\":\"model-2.safetensors\"}}");
        CHECK(commit_only(&s, &cases[i].a, &set, &err) == WHIT_OK, "%s", err.msg);
        CHECK(strcmp(fault.log, cases[i].log) == 0, "%zu: %s", i, fault.log);
        wh_outset_close(set);
    }
    CHECK(debris(&s) == 0, "no debris");
    scratch_remove(&s);
}

static void space(void)
{
    ask a = fresh;
    scratch s;
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    no_faults();
    fault.room = 1000;
    a.bytes = 1001;
    CHECK(ask_open(&s, &a, &set, &err) == WHIT_ERR_IO &&
              strstr(err.msg, "needs 1001 bytes, 1000 are free there; try: free 1 bytes"),
          "%s", err.msg);
    CHECK(count_names(s.path, "") == 0, "nothing is left");
    a.bytes = 1000;
    CHECK(ask_run(&s, &a, "new", &err) == WHIT_OK, "%s", err.msg);
    no_faults();
    ask huge = { "huge", 0, 0, { NULL }, NULL, UINT64_MAX };
    CHECK(ask_open(&s, &huge, &set, &err) == WHIT_ERR_IO, "%s", err.msg);
    scratch_remove(&s);
}

/* Before the first file is in place: nothing has changed, whatever was there. */
static void refused_early(void)
{
    static const struct {
        const char *what, *calls;
        int nth, error;
        const char *says;
    } cases[] = {
        /* clang-format off */
        { "first file does not reach the disk", "F", 1, EIO,    "dir/a: cannot be brought to disk" },
        { "last file does not",                 "F", 3, EIO,    "model.safetensors: cannot be brought" },
        { "the disk turns out full",            "F", 2, ENOSPC, "try: free space" },
        { "old file cannot be removed",         "U", 1, EPERM,  "model.safetensors: cannot be removed" },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch s;
        whit_error err;
        wh_outset *set = NULL;
        scratch_make(&s);
        old_files(&s);
        fail_at(cases[i].calls, cases[i].nth, cases[i].nth + 1, cases[i].error);
        whit_status st = commit_only(&s, &forced, &set, &err);
        CHECK(st == WHIT_ERR_IO && strstr(err.msg, cases[i].says) &&
                  strstr(err.msg, strerror(cases[i].error)),
              "%s: status %d, %s", cases[i].what, (int)st, err.msg);
        no_faults();
        CHECK(all_hold(&s, "old"), "%s: changed something", cases[i].what);
        wh_outset_close(set);
        CHECK(all_hold(&s, "old") && debris(&s) == 0, "%s: left something", cases[i].what);
        scratch_remove(&s);
    }
}

/* An old index that the system does not let us read could name shards: nothing happens. */
static void unread_index(void)
{
    static const ask empty = { "dir", 1, 1, { "a", "model.safetensors" }, NULL, 0 };
    scratch s;
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    old_files(&s);
    scratch_text(&s, "dir/model-2.safetensors", "old");
    scratch_text(&s, "dir/model.safetensors.index.json",
                 "{\"weight_map\":{\"t\":\"model-2.safetensors\"}}");
    fail_at("P", 1, 2, EIO);
    CHECK(ask_open(&s, &forced, &set, &err) == WHIT_ERR_IO && !set &&
              strstr(err.msg, "model.safetensors.index.json: cannot read") &&
              strstr(err.msg, strerror(EIO)),
          "%s", err.msg);
    CHECK(fault.seen == 1, "%d reads", fault.seen);
    CHECK(all_hold(&s, "old") && holds(&s, "dir/model-2.safetensors", "old") &&
              exists(&s, "dir/model.safetensors.index.json") && debris(&s) == 0,
          "nothing is touched");
    no_faults();
    CHECK(ask_run(&s, &forced, "new", &err) == WHIT_OK && all_hold(&s, "new") &&
              !exists(&s, "dir/model-2.safetensors"),
          "read, its shards go: %s", err.msg);
    scratch_link(&s, "nowhere", "dir/model.safetensors.index.json");
    CHECK(ask_run(&s, &empty, "new", &err) == WHIT_OK, "a link to nothing: %s", err.msg);
    scratch_link(&s, "model.safetensors.index.json", "dir/model.safetensors.index.json");
    CHECK(ask_run(&s, &empty, "new", &err) == WHIT_OK, "a link to itself: %s", err.msg);
    CHECK(!exists(&s, "dir/model.safetensors.index.json"), "the links went too");
    scratch_remove(&s);
}

/* What a run left that was killed between the link and the unlink is one file with two names. When
 * the system does not tell of the output, it is not for a half-placed one that goes. */
static void unseen_output(void)
{
#if defined __GLIBC__ && __GLIBC_MINOR__ < 33
    puts("skipped: lstat is no call of its own in this C library");
#else
    static const ask single = { "single", 0, 0, { NULL }, NULL, 0 };
    scratch s;
    char path[SCRATCH_PATH], temp[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    no_faults();
    scratch_text(&s, "single", "old");
    scratch_path(&s, "single", path);
    CHECK(link(path, scratch_path(&s, ".single.whit-tmp", temp)) == 0, "%s", strerror(errno));
    fault.unseen = "single";
    CHECK(ask_open(&s, &single, &set, &err) == WHIT_ERR_IO && strstr(err.msg, strerror(EIO)), "%s",
          err.msg);
    no_faults();
    CHECK(holds(&s, "single", "old"), "the output is gone");
    scratch_remove(&s);
#endif
}

static void changed_meanwhile(void)
{
    static const ask free_name = { "dir", 1, 0, { "a", "b", "c" }, NULL, 0 };
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    no_faults();
    CHECK(ask_open(&s, &free_name, &set, &err) == WHIT_OK, "%s", err.msg);
    scratch_text(&s, "dir/b", "mine");
    CHECK(wh_outset_commit(set, &err) == WHIT_ERR_ARG && strstr(err.msg, "dir/b: exists"), "%s",
          err.msg);
    wh_outset_close(set);
    CHECK(holds(&s, "dir/b", "mine") && count_names(s.path, "") == 2, "a file that came meanwhile");

    remove(scratch_path(&s, "dir/b", path));
    fault.intruder = path;
    CHECK(commit_only(&s, &free_name, &set, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, strerror(EEXIST)) && strstr(err.msg, "nothing was changed"),
          "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(holds(&s, "dir/b", "") && count_names(s.path, "") == 2, "at the last moment");

    remove(path);
    CHECK(ask_open(&s, &free_name, &set, &err) == WHIT_OK, "%s", err.msg);
    remove(scratch_path(&s, "dir/.c.whit-tmp", path));
    scratch_text(&s, "dir/.c.whit-tmp", "mine");
    CHECK(wh_outset_commit(set, &err) == WHIT_ERR_IO && strstr(err.msg, "another program"), "%s",
          err.msg);
    wh_outset_close(set);
    CHECK(holds(&s, "dir/.c.whit-tmp", "mine") && count_names(s.path, "") == 2,
          "a temporary file that is not ours");
    scratch_remove(&s);
}

static void refused_half_way(void)
{
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    fail_at("LR", 3, 99, EIO); /* the last file: link, then rename */
    CHECK(commit_only(&s, &fresh, &set, &err) == WHIT_ERR_IO &&
              strstr(err.msg, "nothing was changed"),
          "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(count_names(s.path, "") == 0, "what replaced nothing is taken back");

    fail_at("R", 2, 99, EIO);
    fault.no_links = 1;
    CHECK(commit_only(&s, &fresh, &set, &err) == WHIT_ERR_IO, "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(count_names(s.path, "") == 0, "taken back there too");

    fault.no_links = 1;
    CHECK(commit_only(&s, &fresh, &set, &err) == WHIT_OK, "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(all_hold(&s, "new") && debris(&s) == 0, "rename does it there");
    scratch_remove_tree(scratch_path(&s, "dir", path));

    old_files(&s);
    fail_at("R", 2, 99, EIO);
    CHECK(commit_only(&s, &forced, &set, &err) == WHIT_ERR_IO &&
              strstr(err.msg, "only 1 of 3 files are in place") && strstr(err.msg, "from a to a") &&
              strstr(err.msg, strerror(EIO)),
          "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(holds(&s, "dir/a", "new") && holds(&s, "dir/b", "old") &&
              !exists(&s, "dir/model.safetensors") && debris(&s) == 0,
          "what replaced something stays, and the folder is not whole");
    CHECK(ask_run(&s, &forced, "newer", &err) == WHIT_OK && all_hold(&s, "newer"), "%s", err.msg);

    fail_at("F", 6, 99, EIO); /* three files, the folder twice: then that of the end */
    CHECK(commit_only(&s, &forced, &set, &err) == WHIT_ERR_IO && strstr(err.msg, "is complete"),
          "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(all_hold(&s, "new") && debris(&s) == 0, "in place, if not yet for sure on disk");

    static const ask no_model = { "dir", 1, 1, { "b", "a", "c" }, NULL, 0 };
    scratch_text(&s, "dir/a", "old");
    scratch_text(&s, "dir/b", "old");
    fail_at("R", 2, 99, EIO);
    CHECK(remove(scratch_path(&s, "dir/model.safetensors", path)) == 0, "no old model");
    CHECK(commit_only(&s, &no_model, &set, &err) == WHIT_ERR_IO, "%s", err.msg);
    no_faults();
    wh_outset_close(set);
    CHECK(holds(&s, "dir/b", "new") && holds(&s, "dir/a", "old") && !exists(&s, "dir/c"),
          "the same where no old model was removed");
    scratch_remove(&s);
}

/* Killed at the nth call of commit or close, then run again: whole, without debris. At no moment
 * is the last file there without the others. 1 if the run was over before the nth call. */
static int killed_at(int nth, const ask *a, const char *old)
{
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err;
    int how = 0;
    scratch_make(&s);
    no_faults();
    if (old) old_files(&s);
    if (!a->folder) scratch_folder(&s, "dir");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) scratch_die("fork");
    if (child == 0) {
        fail_at("FLRU", nth, nth + 1, 0);
        _exit(ask_run(&s, a, "new", &err) != WHIT_OK);
    }
    CHECK(waitpid(child, &how, 0) == child, "wait");
    int over = WIFEXITED(how);
    CHECK(over ? WEXITSTATUS(how) == 0 : WIFSIGNALED(how), "call %d: how %d", nth, how);
    int last = exists(&s, "dir/model.safetensors");
    int whole = all_hold(&s, "new");
    CHECK(!last || whole || (old && all_hold(&s, old)), "call %d: the last file alone", nth);
    whit_status st = ask_run(&s, a, "new", &err);
    if (!a->force && whole)
        CHECK(st == WHIT_ERR_ARG, "call %d: whole, so it exists: %s", nth, err.msg);
    else
        CHECK(st == WHIT_OK, "call %d: run again: %s", nth, err.msg);
    CHECK(all_hold(&s, "new"), "call %d: whole", nth);
    CHECK(count_names(scratch_path(&s, "dir", path), "") == 3 && debris(&s) == 0, "call %d: debris",
          nth);
    scratch_remove(&s);
    return over;
}

static void killed(void)
{
    static const struct {
        const ask *a;
        const char *old;
    } cases[] = { { &fresh, NULL }, { &forced, NULL }, { &forced, "old" }, { &beside, NULL } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int nth = 1;
        while (nth < 100 && !killed_at(nth, cases[i].a, cases[i].old)) nth++;
        CHECK(nth >= 10 && nth < 100, "case %zu: %d calls", i, nth);
    }
}

int main(void)
{
    order();
    space();
    refused_early();
    unread_index();
    unseen_output();
    changed_meanwhile();
    refused_half_way();
    killed();
    return check_result();
}
