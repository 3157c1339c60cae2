/* tests/tokenize_speed.c - how fast a text becomes ids, by the time of the processor. Not a test:
 * it prints.
 *
 *     tokenize_speed MODEL TEXT [ROUNDS]
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <whit/tokenizer.h>

#include <time.h>

#include "scratch.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may use the machine, too */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *t = NULL;
    whit_ids ids = { NULL, 0, 0 };
    size_t len;
    if (argc < 3) {
        fprintf(stderr, "usage: tokenize_speed MODEL TEXT [ROUNDS]\n");
        return 2;
    }
    const int rounds = argc > 3 && atoi(argv[3]) > 0 ? atoi(argv[3]) : 11;
    char *text = scratch_read(argv[2], &len);
    double *seconds = calloc((size_t)rounds, sizeof *seconds), start = now();
    whit_status st = seconds ? whit_tokenizer_open(&t, argv[1], &err) : WHIT_ERR_NOMEM;
    const double opening = now() - start;
    for (int i = -1; i < rounds && st == WHIT_OK; i++) { /* one to warm up */
        ids.count = 0;
        start = now();
        st = whit_tokenize(t, text, len, 0, &ids, &err);
        if (i >= 0) seconds[i] = now() - start;
    }
    if (st != WHIT_OK) {
        fprintf(stderr, "%s\n", err.msg);
    } else {
        qsort(seconds, (size_t)rounds, sizeof *seconds, by_size);
        printf("%s, %s: opened in %.0f ms; %zu bytes, %zu ids; %.1f MB/s best, %.1f median of %d\n",
               argv[1], argv[2], opening * 1e3, len, ids.count, (double)len / seconds[0] / 1e6,
               (double)len / seconds[rounds / 2] / 1e6, rounds);
    }
    whit_ids_free(&ids);
    whit_tokenizer_close(t);
    free(seconds);
    free(text);
    return st != WHIT_OK;
}
