/* tests/fuzz/replay.c - main for a fuzz target without a fuzzer: every file of the given folders.
 *
 * So the seeds, and every input that once broke something, run as an ordinary test with any
 * compiler. A target ends the program when something is wrong.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1 when the file went through, 0 when it cannot be read. */
static int replay_file(const char *folder, const char *name)
{
    char path[1024];
    uint8_t *data = NULL;
    size_t len = 0, cap = 4096;
    int ok = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    for (;;) {
        uint8_t *more = realloc(data, cap);
        if (!more) break;
        data = more;
        len += fread(data + len, 1, cap - len, f);
        if (len < cap) {
            ok = !ferror(f);
            break;
        }
        cap *= 2;
    }
    fclose(f);
    uint8_t *exact = malloc(len ? len : 1); /* ends where the input ends, for sanitizers */
    if (ok && exact) {
        printf("%s\n", path);
        fflush(stdout); /* the last line names the input that ended the program */
        if (len > 0) memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
    }
    free(exact);
    free(data);
    return ok && exact != NULL;
}

static int wanted(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    size_t files = 0, unread = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **list = NULL;
        int n = scandir(argv[i], &list, wanted, alphasort);
        if (n < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int k = 0; k < n; k++) {
            int ok = replay_file(argv[i], list[k]->d_name);
            files += (size_t)ok;
            unread += (size_t)!ok;
            free(list[k]);
        }
        free(list);
    }
    printf("%zu inputs replayed, %zu could not be read\n", files, unread);
    return files == 0 || unread > 0;
}
