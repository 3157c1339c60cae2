/* tests/test_outset_lock.c - output sets: two runs at once, and what a killed run leaves.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "outsets.h"

static const ask one = { "out.safetensors", 0, 0, { NULL }, NULL, 0 };
static const ask two = { "dir/", 1, 0, { "config.json", "model.safetensors" }, NULL, 0 };

static void hold(void)
{
    scratch s;
    char path[SCRATCH_PATH];
    scratch_make(&s);
    scratch_text(&s, "file", "");
    scratch_path(&s, "file", path);
    int a = open(path, O_RDWR), b = open(path, O_RDWR);
    CHECK(wh_hold(a, path) == 1, "free");
    CHECK(wh_hold(b, path) == 0, "held");
    CHECK(wh_hold(a, path) == 1, "by itself");
    close(a);
    CHECK(wh_hold(b, path) == 1, "until its descriptor is closed");
    close(b);
    a = open(path, O_RDWR);
    remove(path);
    CHECK(wh_hold(a, path) == -1 && errno == ESTALE, "removed before it was held");
    scratch_text(&s, "file", "");
    CHECK(wh_hold(a, path) == -1 && errno == ESTALE, "another file there now");
    close(a);
    CHECK(wh_hold(a, path) == -1 && errno == EBADF, "no file");
    scratch_remove(&s);
}

/* A process that holds the set until it is killed. */
static pid_t hold_elsewhere(const scratch *s, const ask *a)
{
    int ready[2];
    char c = 0;
    if (pipe(ready) != 0) scratch_die("pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) scratch_die("fork");
    if (child == 0) {
        whit_error err;
        wh_outset *set = NULL;
        if (ask_open(s, a, &set, &err) != WHIT_OK || write(ready[1], "!", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    CHECK(read(ready[0], &c, 1) == 1 && c == '!', "the other process holds it");
    close(ready[0]);
    return child;
}

static void end_process(pid_t child)
{
    int how = 0;
    kill(child, SIGKILL);
    CHECK(waitpid(child, &how, 0) == child && WIFSIGNALED(how), "the other process was killed");
}

static void lock_keeps_out(void)
{
    static const ask other = { "dir", 1, 0, { "a", "b" }, NULL, 0 };
    static const ask through_link = { "dirlink", 1, 1, { "config.json" }, NULL, 0 };
    static const ask inner = { "dir/config.json", 0, 0, { NULL }, NULL, 0 };
    scratch s;
    whit_error err;
    wh_outset *set = NULL, *second = NULL;
    scratch_make(&s);
    scratch_link(&s, "dir", "dirlink");
    pid_t child = hold_elsewhere(&s, &two);
    static const ask *const kept_out[] = { &two, &other, &through_link, &inner };
    for (size_t i = 0; i < sizeof kept_out / sizeof kept_out[0]; i++) {
        whit_status st = ask_open(&s, kept_out[i], &set, &err);
        CHECK(st == WHIT_ERR_ARG && strstr(err.msg, "another run"), "%zu: status %d, %s", i,
              (int)st, err.msg);
    }
    CHECK(exists(&s, "dir/.config.json.whit-tmp"), "its files are left alone");
    end_process(child);
    CHECK(debris(&s) == 3, "a killed run leaves its files and its lock");
    CHECK(ask_run(&s, &other, "new", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "dir/b", "new") && debris(&s) == 0,
          "the next one removes them, whatever names");

    /* The same within one process, where locks by process would not help. */
    CHECK(ask_open(&s, &one, &set, &err) == WHIT_OK, "%s", err.msg);
    CHECK(ask_open(&s, &one, &second, &err) == WHIT_ERR_ARG, "%s", err.msg);
    wh_outset_close(set);
    CHECK(ask_open(&s, &one, &set, &err) == WHIT_OK, "free again: %s", err.msg);
    wh_outset_close(set);

    /* A single file is written into the folder of a set that cleans up. */
    static const ask single = { "dir/x.safetensors", 0, 0, { NULL }, NULL, 0 };
    static const ask set_of_x = { "dir", 1, 0, { "x.safetensors" }, NULL, 0 };
    static const ask set_of_c = { "dir", 1, 0, { "c" }, NULL, 0 };
    CHECK(ask_open(&s, &single, &set, &err) == WHIT_OK, "%s", err.msg);
    CHECK(ask_open(&s, &set_of_x, &second, &err) == WHIT_ERR_ARG, "%s", err.msg);
    CHECK(ask_run(&s, &set_of_c, "new", &err) == WHIT_OK, "%s", err.msg);
    ask_fill(set, &single, "text");
    CHECK(wh_outset_commit(set, &err) == WHIT_OK && holds(&s, "dir/x.safetensors", "text"), "%s",
          err.msg);
    wh_outset_close(set);

    scratch_text(&s, ".out.safetensors.whit-lock", "no lock of ours");
    CHECK(ask_open(&s, &one, &set, &err) == WHIT_ERR_ARG &&
              holds(&s, ".out.safetensors.whit-lock", "no lock of ours"),
          "%s", err.msg);
    scratch_remove(&s);
}

/* Runs that open and close without pause: at no moment two of them are inside. */
static int enter_often(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err;
    wh_outset *set = NULL;
    scratch_path(s, "inside", path);
    for (int entered = 0; entered < 100;) {
        if (ask_open(s, &one, &set, &err) != WHIT_OK) {
            if (err.code != WHIT_ERR_ARG) return 1;
            continue;
        }
        int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd < 0) return 2;
        close(fd);
        unlink(path);
        wh_outset_close(set);
        entered++;
    }
    return 0;
}

static void lock_excludes(void)
{
    enum { RUNS = 3 };
    scratch s;
    pid_t child[RUNS];
    scratch_make(&s);
    fflush(stdout);
    for (int i = 0; i < RUNS; i++) {
        child[i] = fork();
        if (child[i] < 0) scratch_die("fork");
        if (child[i] == 0) _exit(enter_often(&s));
    }
    for (int i = 0; i < RUNS; i++) {
        int how = 0;
        CHECK(waitpid(child[i], &how, 0) == child[i] && WIFEXITED(how) && WEXITSTATUS(how) == 0,
              "run %d: %d", i, how);
    }
    CHECK(count_names(s.path, "") == 0, "no debris");
    scratch_remove(&s);
}

static void leftovers(void)
{
    scratch s;
    whit_error err;
    wh_outset *set = NULL;
    scratch_make(&s);
    scratch_folder(&s, "dir");
    scratch_text(&s, "victim", "mine");
    scratch_text(&s, "dir/.config.json.whit-tmp", "a longer text than the new one");
    scratch_text(&s, "dir/.model-3.safetensors.whit-tmp", "old");
    scratch_link(&s, "../victim", "dir/.model.safetensors.whit-tmp");
    scratch_text(&s, "dir/..whit-tmp", "a name without a middle");
    scratch_text(&s, "dir/xyz.whit-tmp", "no dot");
    scratch_folder(&s, "dir/.sub.whit-tmp");
    scratch_text(&s, ".dir.whit-lock", "");
    CHECK(ask_run(&s, &two, "new", &err) == WHIT_OK, "%s", err.msg);
    CHECK(holds(&s, "dir/config.json", "new") && holds(&s, "dir/model.safetensors", "new"), "new");
    CHECK(holds(&s, "victim", "mine"), "a link is not followed");
    CHECK(!exists(&s, "dir/.model-3.safetensors.whit-tmp") && !exists(&s, ".dir.whit-lock"),
          "names of other runs too");
    CHECK(exists(&s, "dir/..whit-tmp") && exists(&s, "dir/xyz.whit-tmp") &&
              exists(&s, "dir/.sub.whit-tmp"),
          "what is no temporary file of ours stays");

    scratch_text(&s, ".out.safetensors.whit-tmp", "old");
    scratch_text(&s, ".other.whit-tmp", "another output in this folder");
    CHECK(ask_run(&s, &one, "new", &err) == WHIT_OK && holds(&s, "out.safetensors", "new"), "%s",
          err.msg);
    CHECK(holds(&s, ".other.whit-tmp", "another output in this folder"), "a single file: its own");
    static const ask blocked = { "blocked", 0, 0, { NULL }, NULL, 0 };
    scratch_folder(&s, ".blocked.whit-tmp");
    CHECK(ask_open(&s, &blocked, &set, &err) == WHIT_ERR_IO && !exists(&s, ".blocked.whit-lock"),
          "%s", err.msg);
    scratch_remove(&s);
}

int main(void)
{
    hold();
    lock_keeps_out();
    lock_excludes();
    leftovers();
    return check_result();
}
