/* tests/test_file.c - the file calls: kinds refused, short counts, signals, full disks, paths.
 *
 * pread, pwrite and lstat are replaced by ones of our own, which come out in the calls of
 * src/base/file.c and can be told to be interrupted, short or failing.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64 /* as file.c, so that both mean the same pread */
#define _XOPEN_SOURCE 700
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "check.h"
#include "scratch.h"
#include "model/config.h"
#include "source/hf_config.h"
#include <whit/file.h>
#include <whit/tokenizer.h>

static struct {
    size_t most;   /* octets a call moves; 0: all */
    int interrupt; /* every other call is interrupted */
    int nothing;   /* pwrite writes nothing and says so */
    unsigned calls;
    int lstat; /* errno that lstat ends with; 0: it works */
} fault;

static ssize_t moved(int fd, void *in, const void *out, size_t count, off_t offset)
{
    if (fault.interrupt && fault.calls++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    if (out && fault.nothing) {
        errno = EINTR; /* left over from an earlier call */
        return 0;
    }
    if (fault.most > 0 && count > fault.most) count = fault.most;
    if (lseek(fd, offset, SEEK_SET) != offset) return -1;
    return out ? write(fd, out, count) : read(fd, in, count);
}

ssize_t pread(int fd, void *dst, size_t count, off_t offset)
{
    return moved(fd, dst, NULL, count, offset);
}

ssize_t pwrite(int fd, const void *src, size_t count, off_t offset)
{
    return moved(fd, NULL, src, count, offset);
}

int lstat(const char *restrict path, struct stat *restrict st)
{
    if (fault.lstat == 0) return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
    errno = fault.lstat;
    return -1;
}

static void open_read(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    int fd = 7;
    uint64_t size = 7;
    scratch_text(s, "plain", "0123456789");
    scratch_text(s, "none", "");
    scratch_link(s, "plain", "link");
    scratch_link(s, "nowhere", "dangling");
    scratch_folder(s, "folder");
    CHECK(mkfifo(scratch_path(s, "pipe", path), 0600) == 0, "mkfifo: %s", strerror(errno));
    static const struct {
        const char *name;
        whit_status want;
        const char *says;
        int error; /* whose words it says; 0: none */
        uint64_t size;
    } cases[] = {
        /* clang-format off */
        { "pipe",      WHIT_ERR_UNSUPPORTED, "no regular file", 0,       0 },
        { "folder",    WHIT_ERR_UNSUPPORTED, "a folder",        0,       0 },
        { "dangling",  WHIT_ERR_IO,          "dangling: ",      ENOENT,  0 },
        { "missing",   WHIT_ERR_IO,          "missing: ",       ENOENT,  0 },
        { "plain/sub", WHIT_ERR_IO,          "plain/sub: ",     ENOTDIR, 0 },
        { "link",      WHIT_OK,              "",                0,       10 },
        { "none",      WHIT_OK,              "",                0,       0 },
        { "plain",     WHIT_OK,              "",                0,       10 },
        /* clang-format on */
    };
    alarm(20); /* a pipe that is opened waits for ever */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *words = cases[i].error ? strerror(cases[i].error) : "";
        err.msg[0] = 0;
        fd = 7;
        size = 7;
        whit_status st = wh_file_open_read(scratch_path(s, cases[i].name, path), &fd, &size, &err);
        CHECK(st == cases[i].want && strstr(err.msg, cases[i].says) && strstr(err.msg, words),
              "%s: status %d, %s", cases[i].name, (int)st, err.msg);
        CHECK(size == cases[i].size, "%s: size %llu", cases[i].name, (unsigned long long)size);
        CHECK((fd >= 0) == (st == WHIT_OK), "%s: descriptor %d", cases[i].name, fd);
        if (fd < 0) continue;
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC, "%s: not inherited", cases[i].name);
        close(fd);
    }
    alarm(0);
}

static void reads(const scratch *s)
{
    static const struct {
        const char *what;
        uint64_t offset;
        size_t count;
        whit_status want;
        const char *says;
    } cases[] = {
        /* clang-format off */
        { "nothing at the end",     10, 0,         WHIT_OK, "" },
        { "one beyond the end",     4, 7,          WHIT_ERR_FORMAT,
          "data ends at byte 11, the file has 10; try: download it again" },
        { "all beyond the end",     99, 1,         WHIT_ERR_FORMAT,
          "data ends at byte 100, the file has 10" },
        { "beyond what files hold", INT64_MAX, 1,  WHIT_ERR_FORMAT, "the file has 10" },
        { "overflow",               UINT64_MAX, 2, WHIT_ERR_FORMAT, "the file has 10" },
        { "up to the end",          3, 7,          WHIT_OK, "" },
        { "all",                    0, 10,         WHIT_OK, "" },
        /* clang-format on */
    };
    char path[SCRATCH_PATH], data[11];
    whit_error err = { WHIT_OK, "" };
    int fd = -1;
    uint64_t size = 0;
    scratch_text(s, "digits", "0123456789");
    whit_status st = wh_file_open_read(scratch_path(s, "digits", path), &fd, &size, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    for (size_t n = 0; n < 4 * (sizeof cases / sizeof cases[0]); n++) {
        size_t i = n / 4;
        fault.most = n % 2 ? 3 : 0;
        fault.interrupt = n / 2 % 2;
        err.msg[0] = 0;
        memset(data, '.', sizeof data);
        st = wh_file_pread(fd, "digits", cases[i].offset, data, cases[i].count, &err);
        CHECK(st == cases[i].want && strstr(err.msg, cases[i].says), "%s: status %d, %s",
              cases[i].what, (int)st, err.msg);
        if (st != WHIT_OK) continue;
        CHECK(memcmp(data, &"0123456789"[cases[i].offset], cases[i].count) == 0 &&
                  data[cases[i].count] == '.',
              "%s: %.11s", cases[i].what, data);
    }
    memset(&fault, 0, sizeof fault);
    close(fd);
    st = wh_file_pread(fd, "closed", 5, data, 1, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, "closed: cannot read at byte 5"), "%s", err.msg);
}

static void writes(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    size_t len = 0;
    int fd = open(scratch_path(s, "out", path), O_RDWR | O_CREAT, 0600);
    fault.most = 3;
    fault.interrupt = 1;
    CHECK(wh_file_pwrite(fd, "out", 6, "world, again", 12, &err) == WHIT_OK, "%s", err.msg);
    CHECK(wh_file_pwrite(fd, "out", 0, "hello ", 6, &err) == WHIT_OK, "%s", err.msg);
    memset(&fault, 0, sizeof fault);
    CHECK(wh_file_pwrite(fd, "out", 3, "x", 0, &err) == WHIT_OK, "%s", err.msg);
    wh_file_flush_hint(fd, 0, 18);
    wh_file_flush_hint(fd, UINT64_MAX, UINT64_MAX);
    wh_file_flush_hint(-1, 0, 0);
    char *text = scratch_read(path, &len);
    CHECK(len == 18 && memcmp(text, "hello world, again", 18) == 0, "%s", text);
    free(text);

    whit_status st = wh_file_pwrite(fd, "out", INT64_MAX, "x", 1, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, strerror(EFBIG)), "%s", err.msg);
    st = wh_file_pwrite(fd, "out", UINT64_MAX, "xy", 2, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, strerror(EFBIG)), "%s", err.msg);
    fault.nothing = 1;
    alarm(20);
    st = wh_file_pwrite(fd, "out", 4, "xy", 2, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, "cannot write 2 bytes at byte 4"), "%s", err.msg);
    alarm(0);
    fault.nothing = 0;
    close(fd);
}

/* The system takes a part of it, then no more: a limit of this process stands in for the disk. */
static void full_disk(const scratch *s)
{
    static const char big[3000];
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    struct rlimit old, low;
    int fd = open(scratch_path(s, "part", path), O_RDWR | O_CREAT, 0600);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0, "%s", strerror(errno));
    low = old;
    low.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0, "%s", strerror(errno));
    whit_status st = wh_file_pwrite(fd, "out", 2000, big, sizeof big, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0, "%s", strerror(errno));
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, "out: cannot write 904 bytes at byte 4096") &&
              strstr(err.msg, strerror(EFBIG)),
          "%s", err.msg);
    close(fd);

    fd = open("/dev/full", O_RDWR);
    if (fd < 0) {
        printf("skip: this system has no /dev/full\n");
        return;
    }
    st = wh_file_pwrite(fd, "disk", 0, "x", 1, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, strerror(ENOSPC)) && strstr(err.msg, "try: free"),
          "%s", err.msg);
    close(fd);
}

static void slurps(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    char *data = path;
    size_t len = 7;
    scratch_write(s, "five", "ab\0de", 5);
    scratch_text(s, "void", "");
    scratch_path(s, "five", path);
    CHECK(wh_file_slurp(path, 4, &data, &len, &err) == WHIT_ERR_FORMAT && !data && len == 0 &&
              strstr(err.msg, "has 5 bytes, at most 4"),
          "%s", err.msg);
    CHECK(wh_file_slurp(path, 5, &data, &len, &err) == WHIT_OK && len == 5, "%s", err.msg);
    CHECK(data && memcmp(data, "ab\0de", 6) == 0, "with a NUL behind");
    free(data);
    CHECK(wh_file_slurp(scratch_path(s, "void", path), 0, &data, &len, &err) == WHIT_OK && len == 0,
          "%s", err.msg);
    CHECK(data && !*data, "an empty file");
    free(data);
    CHECK(wh_file_slurp(scratch_path(s, "gone", path), 9, &data, &len, &err) == WHIT_ERR_IO &&
              !data,
          "%s", err.msg);
}

static int is_folder(const scratch *s, const char *name)
{
    char path[SCRATCH_PATH];
    int folder = -1;
    CHECK(wh_file_is_folder(scratch_path(s, name, path), &folder, NULL) == WHIT_OK, "%s", name);
    return folder;
}

static void questions(const scratch *s)
{
    char a[SCRATCH_PATH], b[SCRATCH_PATH];
    wh_file_id id;
    scratch_text(s, "one", "1");
    scratch_text(s, "two", "2");
    scratch_folder(s, "dir");
    scratch_link(s, "one", "soft");
    scratch_link(s, "dir", "dirlink");
    scratch_link(s, "nothing", "lost");
    CHECK(link(scratch_path(s, "one", a), scratch_path(s, "hard", b)) == 0, "%s", strerror(errno));
    CHECK(wh_file_same(a, b), "hard link");
    CHECK(wh_file_same(scratch_path(s, "soft", b), a), "symbolic link");
    CHECK(!wh_file_same(a, scratch_path(s, "two", b)), "another file");
    CHECK(!wh_file_same(a, scratch_path(s, "gone", b)), "one missing");
    CHECK(!wh_file_same(b, b), "both missing");
    CHECK(wh_file_identify(a, &id) && !wh_file_identify(b, &id) && errno == ENOENT, "identify");
    CHECK(is_folder(s, "dirlink"), "link to a folder");
    CHECK(!is_folder(s, "one"), "a file");
    CHECK(!is_folder(s, "gone") && !wh_file_exists(scratch_path(s, "gone", a)), "missing");
    CHECK(wh_file_exists(scratch_path(s, "lost", a)), "a link that leads nowhere");
    CHECK(wh_file_exists(scratch_path(s, "dir", a)), "a folder");
}

static void paths(void)
{
    static const struct {
        const char *path, *folder, *name;
        int plain;
    } cases[] = {
        /* clang-format off */
        { "",        ".",    "",      0 },
        { "/",       "/",    "/",     0 },
        { "//",      "/",    "//",    0 },
        { ".",       ".",    ".",     0 },
        { "..",      ".",    "..",    0 },
        { "...",     ".",    "...",   1 },
        { "a",       ".",    "a",     1 },
        { ".a",      ".",    ".a",    1 },
        { "a/",      ".",    "a/",    0 },
        { "/a",      "/",    "a",     0 },
        { "//a",     "/",    "a",     0 },
        { "/a//",    "/",    "a//",   0 },
        { "a/b",     "a",    "b",     0 },
        { "a//b",    "a",    "b",     0 },
        { "a/b/",    "a",    "b/",    0 },
        { "/x/a/b",  "/x/a", "b",     0 },
        { "../b",    "..",   "b",     0 },
        /* clang-format on */
    };
    static const char *const joins[][3] = {
        { "", "n", "n" },   { "a", "n", "a/n" }, { "a/", "n", "a/n" },
        { "/", "n", "/n" }, { ".", "n", "./n" }, { "a/b", "", "a/b/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *folder = wh_path_folder(cases[i].path);
        CHECK(folder && strcmp(folder, cases[i].folder) == 0, "folder of %s: %s", cases[i].path,
              folder ? folder : "no memory");
        CHECK(strcmp(wh_path_name(cases[i].path), cases[i].name) == 0, "name of %s: %s",
              cases[i].path, wh_path_name(cases[i].path));
        CHECK(wh_path_is_plain(cases[i].path) == cases[i].plain, "plain: %s", cases[i].path);
        free(folder);
    }
    for (size_t i = 0; i < sizeof joins / sizeof joins[0]; i++) {
        char *path = wh_path_join(joins[i][0], joins[i][1]);
        CHECK(path && strcmp(path, joins[i][2]) == 0, "%s + %s: %s", joins[i][0], joins[i][1],
              path ? path : "no memory");
        free(path);
    }
}

/* hub has the layout of the Hugging Face cache. */
static void make_tree(const scratch *s)
{
    static const char *const folders[] = { "model",
                                           "model/sub",
                                           "model2",
                                           "hub",
                                           "hub/snapshots",
                                           "hub/blobs",
                                           "hub/blobs/d",
                                           "hub/other",
                                           "hub/snapshots/r1",
                                           "hub/snapshots/r1/q4",
                                           "hub/snapshots/r1/snapshots",
                                           "hub/snapshots/r1/snapshots/x" };
    static const char *const files[] = { "secret",       "model/file",  "model/sub/file",
                                         "model2/file",  "hub/other/b", "hub/blobs/b",
                                         "hub/blobs/d/x" };
    static const char *const links[][2] = {
        { "../secret", "model/escape" },
        { "../model2/file", "model/twin" },
        { "../hub/blobs/b", "model/blob" },
        { "/dev/null", "model/device" },
        { "loop", "model/loop" },
        { "nothing", "model/lost" },
        { "sub/file", "model/inner" },
        { "../../../secret", "hub/snapshots/r1/out" },
        { "../../blobs/d/x", "hub/snapshots/r1/deep" },
        { "../../other/b", "hub/snapshots/r1/ref" },
        { "../../blobs/b", "hub/snapshots/r1/blob" },
        { "../../../blobs/b", "hub/snapshots/r1/q4/blob" },
        { "../../../blobs/d/x", "hub/snapshots/r1/q4/deep" },
        { "../../../../secret", "hub/snapshots/r1/q4/out" },
        { "../../../../blobs/b", "hub/snapshots/r1/snapshots/x/blob" },
        { "../blobs/b", "hub/snapshots/blob" },
        { "hub/snapshots/r1", "cache" },
    };
    char path[SCRATCH_PATH];
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) scratch_folder(s, folders[i]);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) scratch_text(s, files[i], "x");
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        scratch_link(s, links[i][0], links[i][1]);
    CHECK(mkfifo(scratch_path(s, "model/pipe", path), 0600) == 0, "%s", strerror(errno));
}

static void inside(const scratch *s)
{
    static char long_name[5000];
    memset(long_name, 'n', sizeof long_name - 1);
    static const struct {
        const char *folder, *name;
        whit_status want;
    } cases[] = {
        /* clang-format off */
        { "model",            "",            WHIT_ERR_FORMAT },
        { "model",            ".",           WHIT_ERR_FORMAT },
        { "model",            "..",          WHIT_ERR_FORMAT },
        { "model",            "../secret",   WHIT_ERR_FORMAT },
        { "model",            "sub/file",    WHIT_ERR_FORMAT },
        { "model",            "/dev/null",   WHIT_ERR_FORMAT },
        { "model",            "missing",     WHIT_ERR_FORMAT },
        { "model",            "loop",        WHIT_ERR_FORMAT },
        { "model",            "lost",        WHIT_ERR_FORMAT },
        { "model",            "escape",      WHIT_ERR_FORMAT }, /* out of the folder           */
        { "model",            "twin",        WHIT_ERR_FORMAT }, /* a folder of the same prefix */
        { "model",            "blob",        WHIT_ERR_FORMAT }, /* a blob, but no snapshot     */
        { "model",            "sub",         WHIT_ERR_FORMAT }, /* a folder                    */
        { "model",            "device",      WHIT_ERR_FORMAT },
        { "model",            "pipe",        WHIT_ERR_FORMAT },
        { "model",            long_name,     WHIT_ERR_FORMAT },
        { "gone",             "file",        WHIT_ERR_IO },
        { "hub/snapshots/r1", "out",         WHIT_ERR_FORMAT }, /* neither folder nor blobs    */
        { "hub/snapshots/r1", "deep",        WHIT_ERR_FORMAT }, /* below a folder in blobs     */
        { "hub/snapshots/r1", "ref",         WHIT_ERR_FORMAT }, /* beside blobs                */
        { "hub/snapshots/r1", "blob",        WHIT_OK },
        { "hub/snapshots/r1/q4", "blob",     WHIT_OK },         /* a folder of the revision    */
        { "hub/snapshots/r1/q4", "deep",     WHIT_ERR_FORMAT },
        { "hub/snapshots/r1/q4", "out",      WHIT_ERR_FORMAT },
        { "hub/snapshots/r1/snapshots/x", "blob", WHIT_OK },    /* a folder of that name in it */
        { "hub/snapshots",    "blob",        WHIT_ERR_FORMAT }, /* no revision                 */
        { "cache",            "blob",        WHIT_OK },         /* the folder itself is a link */
        { "model",            "file",        WHIT_OK },
        { "model",            "inner",       WHIT_OK },         /* link to sub/file            */
        /* clang-format on */
    };
    char folder[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    make_tree(s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = folder;
        scratch_path(s, cases[i].folder, folder);
        whit_status st = wh_file_inside(folder, cases[i].name, &path, &err);
        CHECK(st == cases[i].want, "%s/%.20s: status %d, %s", cases[i].folder, cases[i].name,
              (int)st, err.msg);
        CHECK((path != NULL) == (st == WHIT_OK), "%s/%.20s: a path", cases[i].folder,
              cases[i].name);
        if (path)
            CHECK(strncmp(path, folder, strlen(folder)) == 0 &&
                      strcmp(wh_path_name(path), cases[i].name) == 0,
                  "the joined path, not the resolved one: %s", path);
        free(path);
    }
}

/* The model's configuration and its tokenizer. */
static void parts_of_models(const char *folder, const char *words)
{
    whit_error err = { WHIT_OK, "" };
    wh_model_config config;
    whit_tokenizer *t = NULL;
    whit_status st = wh_config_read_folder(&config, folder, &err);
    CHECK(st == WHIT_ERR_IO && strstr(err.msg, words), "configuration: %s", err.msg);
    st = whit_tokenizer_open(&t, folder, &err);
    CHECK(st == WHIT_ERR_IO && !t && strstr(err.msg, words), "tokenizer: %s", err.msg);
}

/* What the system does not say is no "not there", to the callers neither. */
static void there(const scratch *s)
{
    static const struct {
        int error, there;
        whit_status want;
    } cases[] = { { 0, 1, WHIT_OK },          { ENOENT, 0, WHIT_OK },       { ENOTDIR, 0, WHIT_OK },
                  { ELOOP, 0, WHIT_OK },      { ENAMETOOLONG, 0, WHIT_OK }, { EIO, 0, WHIT_ERR_IO },
                  { EACCES, 0, WHIT_ERR_IO }, { ENOMEM, 0, WHIT_ERR_IO } };
    char folder[SCRATCH_PATH], path[SCRATCH_PATH];
    const char *name;
    scratch_folder(s, "there");
    scratch_text(s, "there/config.json", "{\"quantization_config\":{\"quant_method\":\"awq\"}}");
    scratch_path(s, "there", folder);
    scratch_path(s, "there/config.json", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        wh_hf_config config = { 0 };
        whit_file *file = NULL;
        int found = 7;
        fault.lstat = cases[i].error;
        whit_status st = wh_file_there(path, &found, &err);
        CHECK(st == cases[i].want && found == cases[i].there, "%s: status %d, %d",
              strerror(cases[i].error), (int)st, found);
        CHECK(st == WHIT_OK || strstr(err.msg, strerror(cases[i].error)), "%s", err.msg);
        CHECK(wh_file_exists(path) == cases[i].there, "%s", strerror(cases[i].error));
        st = wh_hf_config_read(&config, folder, &name, &err);
        CHECK(st == cases[i].want && (config.method == WH_HF_AWQ) == cases[i].there,
              "%s: configuration: %d", strerror(cases[i].error), (int)st);
        wh_hf_config_free(&config);
        st = whit_file_open(&file, folder, &err);
        CHECK(!file && st == (cases[i].want ? cases[i].want : WHIT_ERR_FORMAT), "%s: folder: %s",
              strerror(cases[i].error), err.msg);
        if (cases[i].want == WHIT_ERR_IO) parts_of_models(folder, strerror(cases[i].error));
        fault.lstat = 0;
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    open_read(&s);
    reads(&s);
    writes(&s);
    full_disk(&s);
    slurps(&s);
    questions(&s);
    paths();
    inside(&s);
    there(&s);
    scratch_remove(&s);
    return check_result();
}
