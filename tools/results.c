/* tools/results.c - the files that results are written to: JSON, tables, pictures.
 *
 * A name that is free, or a regular file that is to be replaced, appears whole: the text goes to
 * ".NAME.whit-result", which is held (flock) as long as it is written, so that what a killed run
 * left is told from what another one is writing. A signal that ends the command takes it away.
 * Pipes, devices and links are written in place.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE /* there flock hides without it */
#define _DEFAULT_SOURCE  /* and with glibc */
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not that of a job's files: what is left of those in a folder goes when the next job begins there,
 * and a result may wait in the same one. */
#define TEMP_SUFFIX ".whit-result"

/* ---- signals --------------------------------------------------------------------------------- */

enum { FILES = 4, SIGNALS = 3 };

/* What a handler removes: there is no other way to tell it. The names are owned by the results. */
static char *volatile pending[FILES];
static const int signals[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int number)
{
    for (int i = 0; i < FILES; i++)
        if (pending[i]) unlink(pending[i]);
    signal(number, SIG_DFL);
    raise(number);
}

void cli_results_guard(void)
{
    struct sigaction is, now = { 0 };
    now.sa_handler = on_signal;
    sigemptyset(&now.sa_mask);
    for (int k = 0; k < SIGNALS; k++)
        if (sigaction(signals[k], NULL, &is) == 0 && is.sa_handler == SIG_DFL)
            sigaction(signals[k], &now, NULL);
}

static void watch(char *temp)
{
    int i = 0;
    while (i < FILES - 1 && pending[i]) i++;
    pending[i] = temp;
}

static void unwatch(const char *temp)
{
    for (int i = 0; i < FILES; i++)
        if (pending[i] == temp) pending[i] = NULL;
}

/* ---- places ---------------------------------------------------------------------------------- */

/* -1: errno says why that is not known. */
static int is_input(const struct stat *st, const whit_source *source)
{
    if (!source) return 0;
    const whit_file *file = whit_source_file(source);
    for (size_t i = 0; i < whit_file_shards(file); i++) {
        struct stat shard;
        const int there = cli_look(whit_file_shard_path(file, i), &shard);
        if (there < 0) return -1;
        if (there && shard.st_dev == st->st_dev && shard.st_ino == st->st_ino) return 1;
    }
    return 0;
}

/* Nothing that is read may be at this path. */
static whit_status check_place(const cli_options *opt, const char *path, const whit_source *source,
                               whit_error *err)
{
    char name[CLI_SHORT];
    struct stat st;
    cli_short(name, sizeof name, path);
    const int there = cli_look(path, &st);
    const int input = there > 0 && S_ISREG(st.st_mode) ? is_input(&st, source) : 0;
    if (there < 0 || input < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (input) return cli_fail(err, WHIT_ERR_ARG, "%s: is the input; try: another name", name);
    return cli_reads_check(opt, path, err);
}

whit_status cli_results_check(const cli_options *opt, const whit_source *source, whit_error *err)
{
    char name[CLI_SHORT];
    if (!opt->json_path) return WHIT_OK;
    whit_status st = check_place(opt, opt->json_path, source, err);
    if (st == WHIT_OK && opt->output && cli_same_place(opt->json_path, opt->output))
        st = cli_fail(err, WHIT_ERR_ARG, "%s: is the output; try: another name",
                      cli_short(name, sizeof name, opt->json_path));
    return st;
}

/* ---- the temporary file ---------------------------------------------------------------------- */

/* "DIR/NAME" to "DIR/.NAME.whit-result". NULL when there is no memory. */
static char *temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    size_t size = strlen(path) + sizeof "." TEMP_SUFFIX;
    char *temp = malloc(size);
    if (!temp) return NULL;
    memcpy(temp, path, folder);
    snprintf(temp + folder, size - folder, ".%s" TEMP_SUFFIX, path + folder);
    return temp;
}

static int open_again(const char *path, int flags)
{
    int fd;
    do fd = open(path, flags, 0666);
    while (fd < 0 && errno == EINTR && !cli_interrupted());
    return fd;
}

/* 1: the name still is the file behind fd. 0: it is not. -1: errno says why that is not known. */
static int is_named(const char *temp, int fd)
{
    struct stat named, opened;
    if (lstat(temp, &named) != 0) return errno == ENOENT ? 0 : -1;
    if (fstat(fd, &opened) != 0) return -1;
    return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* Some file systems know no such locks; there runs do not keep off each other. */
static int knows_no_locks(int error)
{
    return error == ENOSYS || error == ENOTSUP || error == EOPNOTSUPP || error == ENOLCK ||
           error == EINVAL;
}

/* 1: held. 0: another run holds it. -1: errno; ESTALE: it has gone meanwhile, look again. */
static int hold(const char *temp, int fd)
{
    int rc;
    do rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno == EWOULDBLOCK) return 0;
    if (rc != 0 && !knows_no_locks(errno)) return -1;
    const int named = is_named(temp, fd);
    if (named == 0) errno = ESTALE;
    return named > 0 ? 1 : -1;
}

/* What a killed run left goes. As hold. */
static int clear_temp(const char *temp)
{
    const int fd = open_again(temp, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) errno = ESTALE;
    if (fd < 0) return -1;
    int gone = hold(temp, fd);
    if (gone == 1 && unlink(temp) != 0) gone = -1;
    const int error = errno;
    close(fd);
    errno = error;
    return gone;
}

/* A new file, held. -1: errno, EWOULDBLOCK: another run writes it. */
static int create_temp(const char *temp)
{
    for (int tries = 0; tries < 100; tries++) {
        const int fd = open_again(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
        int done = fd >= 0 ? hold(temp, fd) : -1;
        if (done == 1) return fd;
        if (fd >= 0) { /* another run may be clearing it away */
            const int error = errno;
            close(fd);
            errno = error;
            if (done == 0 || errno == ESTALE) continue;
            return -1;
        }
        if (errno != EEXIST) return -1;
        done = clear_temp(temp);
        if (done == 0) errno = EWOULDBLOCK;
        if (done == 0 || (done < 0 && errno != ESTALE)) return -1;
    }
    errno = EWOULDBLOCK;
    return -1;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Where the file is written in place: what is there is no regular file. */
static whit_status open_in_place(cli_results *r, whit_error *err)
{
    char name[CLI_SHORT];
    const int fd = open_again(r->path, O_WRONLY | O_TRUNC);
    if (fd >= 0) r->json = fdopen(fd, "w");
    if (r->json) return WHIT_OK;
    whit_status st = cli_fail(err, WHIT_ERR_IO, "%s: %s", cli_short(name, sizeof name, r->path),
                              strerror(errno));
    if (fd >= 0) close(fd);
    return st;
}

static whit_status open_temp(cli_results *r, whit_error *err)
{
    char name[CLI_SHORT];
    cli_short(name, sizeof name, r->path);
    const int fd = create_temp(r->temp);
    if (fd < 0 && errno == EWOULDBLOCK)
        return cli_fail(err, WHIT_ERR_ARG, "%s: another run is writing it; try: another name",
                        name);
    if (fd < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    watch(r->temp);
    r->json = fdopen(fd, "w");
    if (r->json) return WHIT_OK;
    whit_status st = cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    unlink(r->temp);
    close(fd);
    return st;
}

static whit_status json_open(cli_results *r, const cli_options *opt, const whit_source *a,
                             const whit_source *b, whit_error *err)
{
    char name[CLI_SHORT];
    struct stat st, link;
    cli_short(name, sizeof name, r->path);
    whit_status status = cli_results_check(opt, a, err);
    if (status == WHIT_OK) status = cli_results_check(opt, b, err);
    if (status != WHIT_OK) return status;
    const int there = cli_look(r->path, &st);
    if (there < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (there && S_ISREG(st.st_mode) && !opt->force)
        return cli_fail(err, WHIT_ERR_ARG, "%s: exists; try: --force", name);
    if (lstat(r->path, &link) == 0 && !S_ISREG(link.st_mode)) return open_in_place(r, err);
    char *temp = temp_name(r->path);
    if (!temp) return cli_fail(err, WHIT_ERR_NOMEM, "%s: out of memory", name);
    status = check_place(opt, temp, a, err);
    if (status == WHIT_OK) status = check_place(opt, temp, b, err);
    r->temp = temp;
    if (status == WHIT_OK) status = open_temp(r, err);
    if (status != WHIT_OK) { /* whatever is under that name is not ours */
        unwatch(temp);
        free(temp);
        r->temp = NULL;
    }
    return status;
}

whit_status cli_results_open(cli_results *results, const cli_options *opt, const whit_source *a,
                             const whit_source *b, whit_error *err)
{
    results->path = opt->json_path;
    results->force = opt->force;
    results->table = opt->verbosity == CLI_VERBOSITY_QUIET ? NULL : stdout;
    if (!opt->json) return WHIT_OK;
    if (opt->json_path) return json_open(results, opt, a, b, err);
    results->json = stdout; /* which then holds nothing else */
    results->table = NULL;
    return WHIT_OK;
}

whit_status cli_results_before(cli_results *results, const cli_options *opt, const char *a,
                               const char *b, whit_error *err)
{
    struct stat st;
    whit_status status = WHIT_OK;
    whit_source *x = NULL, *y = NULL;
    if (opt->json_path && cli_look(opt->json_path, &st) != 0) {
        if (a) status = whit_source_open(&x, a, err);
        if (b && status == WHIT_OK) status = whit_source_open(&y, b, err);
    }
    if (status == WHIT_OK) status = cli_results_open(results, opt, x, y, err);
    whit_source_close(x);
    whit_source_close(y);
    return status;
}

whit_status cli_results_file(cli_results *results, const cli_options *opt, const char *option,
                             const char *path, const whit_source *source, whit_error *err)
{
    cli_options file = *opt;
    file.json = 1;
    file.json_path = path;
    if (opt->json_path && cli_same_place(path, opt->json_path))
        return cli_fail(err, WHIT_ERR_ARG, "%s and --json name the same file", option);
    return cli_results_open(results, &file, source, NULL, err);
}

/* ---- closing --------------------------------------------------------------------------------- */

/* 0, or -1 with errno. Without force nothing is replaced: a link fails where something is. */
static int place(const cli_results *r)
{
    if (r->force) return rename(r->temp, r->path);
    if (link(r->temp, r->path) == 0) {
        unlink(r->temp); /* the next run does where this fails */
        return 0;
    }
    return errno == EEXIST ? -1 : rename(r->temp, r->path); /* a file system without links */
}

/* The folder of the result, so that its name is on disk. 0, or -1 with errno. */
static int sync_folder(const char *path)
{
    char *folder = cli_folder(path);
    if (!folder) return -1;
    const int fd = open_again(folder, O_RDONLY | O_DIRECTORY);
    free(folder);
    if (fd < 0) return errno == EACCES ? 0 : -1;
    int rc;
    do rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    const int error = errno;
    close(fd);
    errno = error;
    return rc != 0 && (error == EINVAL || error == ENOTSUP) ? 0 : rc;
}

/* All of the text is on disk. 0, or errno. */
static int write_all(const cli_results *r)
{
    int bad = fflush(r->json) != 0 ? errno : ferror(r->json) ? EIO : 0;
    while (r->temp && !bad && fsync(fileno(r->json)) != 0) bad = errno == EINTR ? 0 : errno;
    return bad;
}

whit_status cli_results_commit(cli_results *r, whit_error *err)
{
    char name[CLI_SHORT];
    if (!r->path) return WHIT_OK; /* main checks stdout */
    cli_short(name, sizeof name, r->path);
    int bad = write_all(r);
    const int ours = r->temp ? is_named(r->temp, fileno(r->json)) : 1;
    if (!bad && ours < 0) bad = errno;
    if (!bad && ours > 0 && r->temp && place(r) != 0) bad = errno;
    if (bad && ours > 0 && r->temp) unlink(r->temp);
    if (fclose(r->json) != 0 && !bad) bad = errno;
    r->json = NULL;
    if (bad == EEXIST) return cli_fail(err, WHIT_ERR_ARG, "%s: exists by now; try: --force", name);
    if (bad)
        return cli_fail(err, WHIT_ERR_IO, "%s: not all could be written: %s", name, strerror(bad));
    if (!ours)
        return cli_fail(err, WHIT_ERR_IO,
                        "%s: another program moved or replaced its temporary file; try: again",
                        name);
    if (!r->temp) return WHIT_OK;
    unwatch(r->temp);
    free(r->temp);
    r->temp = NULL;
    if (sync_folder(r->path) == 0) return WHIT_OK;
    return cli_fail(err, WHIT_ERR_IO, "%s: is complete, but its folder cannot be synced: %s", name,
                    strerror(errno));
}

void cli_results_close(cli_results *r)
{
    if (r->temp && r->json && is_named(r->temp, fileno(r->json)) == 1) unlink(r->temp);
    if (r->json && r->json != stdout) fclose(r->json);
    if (r->temp) unwatch(r->temp);
    free(r->temp);
    r->json = NULL;
    r->temp = NULL;
}
