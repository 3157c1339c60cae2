/* tools/progress.c - how far the job is, on stderr, and the signals that stop it.
 *
 * Styles: a bar on terminals (at most ten times a second, wiped at the end), plain lines (one in
 * three seconds), JSON lines (ten a second), none. Not here: clocks; the job says what time it is.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 20, LINE_CELLS = 79, NAME_CELLS = 36 };

/* The one piece of global state: a signal handler has no other way to say anything. Threads of the
 * job read it, so it is atomic; a handler may store only where that takes no lock. */
static atomic_int interrupted;
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler stores an atomic int");

static const int stop_signals[CLI_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&interrupted, 1, memory_order_relaxed);
}

int cli_interrupted(void)
{
    return atomic_load_explicit(&interrupted, memory_order_relaxed);
}

/* ---- styles ---------------------------------------------------------------------------------- */

/* The name for a terminal, where bytes are to be cells. */
static const char *ascii_name(char buf[NAME_CELLS + 1], const char *name)
{
    cli_short(buf, NAME_CELLS + 1, name);
    for (char *p = buf; *p; p++) {
        if (*p < 0x20 || *p > 0x7e) *p = '?';
    }
    return buf;
}

static double fraction(const whit_progress *p)
{
    return p->total ? (double)p->done / (double)p->total : 1.0;
}

static void show_bar(cli_progress *progress, const whit_progress *p)
{
    char name[NAME_CELLS + 1], line[160], bar[BAR_CELLS + 1], eta[32] = "", rate[32] = "";
    double part = fraction(p);
    int full = (int)(part * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[BAR_CELLS] = '\0';
    if (part > 0.01) {
        unsigned long left = (unsigned long)(p->seconds * (1.0 - part) / part + 0.5);
        snprintf(eta, sizeof eta, "  eta %lu:%02lu", left / 60, left % 60);
    }
    if (p->seconds > 0 && !progress->no_rate)
        snprintf(rate, sizeof rate, " %5.0f MB/s", (double)p->done / p->seconds / 1e6);
    if (p->before > 0) snprintf(rate, sizeof rate, " err x%.2f", p->after / p->before);
    snprintf(line, sizeof line, "[%s] %3d%%%s%s  %s", bar, (int)(part * 100), rate, eta,
             ascii_name(name, p->tensor));
    size_t width = strlen(line);
    if (width > LINE_CELLS) {
        width = LINE_CELLS;
        line[width] = '\0';
    }
    int wipe = progress->width > width ? (int)(progress->width - width) : 0;
    fprintf(stderr, "\r%s%*s", line, wipe, "");
    fflush(stderr);
    progress->width = width;
}

static void show_plain(const cli_progress *progress, const whit_progress *p)
{
    char name[NAME_CELLS + 1], amount[64] = "";
    if (!progress->no_rate)
        snprintf(amount, sizeof amount, " %.1f of %.1f MB,", (double)p->done / 1e6,
                 (double)p->total / 1e6);
    fprintf(stderr, "whit: %3d%%%s %.1f s, %s", (int)(fraction(p) * 100), amount, p->seconds,
            ascii_name(name, p->tensor));
    if (p->before > 0) {
        const double part = fraction(p);
        fprintf(stderr, ": error %.3g -> %.3g, eta %.0f s", p->before, p->after,
                part > 0 ? p->seconds * (1 - part) / part : 0);
    }
    fputs("\n", stderr);
}

static void show_json(const whit_progress *p)
{
    fputs("{\"tensor\":\"", stderr);
    for (const char *c = p->tensor; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(stderr, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(stderr, "\\u%04x", (unsigned)*c);
        else
            putc(*c, stderr);
    }
    fprintf(stderr, "\",\"done\":%llu,\"total\":%llu,\"seconds\":%.3f", (unsigned long long)p->done,
            (unsigned long long)p->total, p->seconds);
    if (p->before > 0) fprintf(stderr, ",\"before\":%.9g,\"after\":%.9g", p->before, p->after);
    fputs("}\n", stderr);
}

/* ---- the job's side -------------------------------------------------------------------------- */

/* A whit_progress_fn. The last one is always shown, so that a reader of lines sees the end. */
static int step(void *user, const whit_progress *p)
{
    cli_progress *progress = user;
    int last = p->done >= p->total && progress->style != CLI_PROGRESS_AUTO;
    if (cli_interrupted()) return 1;
    const int tells = p->before > 0 && progress->style != CLI_PROGRESS_AUTO;
    if (p->seconds < progress->next && !last && !tells) return 0;
    switch (progress->style) {
    case CLI_PROGRESS_AUTO:
        show_bar(progress, p);
        break;
    case CLI_PROGRESS_PLAIN:
        show_plain(progress, p);
        break;
    case CLI_PROGRESS_JSON:
        show_json(p);
        break;
    default:
        break;
    }
    progress->next = p->seconds + (progress->style == CLI_PROGRESS_PLAIN ? 3.0 : 0.1);
    return 0;
}

void cli_job_options(whit_job_options *job, const cli_options *opt, cli_progress *progress)
{
    whit_job_options_init(job);
    job->threads = (unsigned)opt->threads;
    job->max_memory = opt->max_memory;
    job->force = opt->force;
    job->strict = opt->strict;
    job->reads = opt->reads;
    job->reads_count = opt->reads_count;
    job->progress = step;
    job->progress_user = progress;
}

void cli_progress_begin(cli_progress *progress, const cli_options *opt)
{
    struct sigaction stop;
    memset(progress, 0, sizeof *progress);
    progress->style = opt->progress ? opt->progress : CLI_PROGRESS_AUTO;
    if (progress->style == CLI_PROGRESS_AUTO) {
        int bar = isatty(STDERR_FILENO) && opt->verbosity != CLI_VERBOSITY_QUIET;
        if (!bar) progress->style = CLI_PROGRESS_NONE;
        progress->next = 0.3; /* a short job needs no bar */
    }
    memset(&stop, 0, sizeof stop);
    stop.sa_handler = on_signal;
    stop.sa_flags = 0; /* no SA_RESTART: opening a pipe that nobody reads must end */
    sigemptyset(&stop.sa_mask);
    for (int i = 0; i < CLI_SIGNALS; i++) {
        sigaction(stop_signals[i], NULL, &progress->before[i]);
        if (progress->before[i].sa_handler == SIG_IGN) continue; /* nohup stays nohup */
        sigaction(stop_signals[i], &stop, NULL);
    }
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->width) fprintf(stderr, "\r%*s\r", (int)progress->width, "");
    progress->width = 0;
    for (int i = 0; i < CLI_SIGNALS; i++) sigaction(stop_signals[i], &progress->before[i], NULL);
}
