/* tests/fuzz/fuzz_journal.c - any octets as the journal of an interrupted run.
 *
 * What opens must hold together: records lie behind each other inside the file, the last one
 * commits them; opened again, now cut off there, the same is told; and what is added then is found.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "io/journal.h"

#include "input.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan[WH_JOURNAL_PLAN + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct told {
    uint64_t count, end, mix; /* records, where the last one ends, all that was said */
    uint32_t last;            /* kind of the last one */
} told;

static whit_status listen(void *ctx, uint32_t kind, uint32_t key, uint64_t offset, uint64_t len,
                          whit_error *err)
{
    told *t = ctx;
    (void)err;
    require(offset == t->end + 16 && (kind != 0 || len == 4));
    t->end = offset + len;
    t->mix = (t->mix * 31 + kind) * 31 + key;
    t->mix = (t->mix * 31 + offset) * 31 + len;
    t->last = kind;
    t->count++;
    return WHIT_OK;
}

static whit_status open_again(wh_journal *j, const char *output, told *t, whit_error *err)
{
    *t = (told){ .end = 72 };
    return wh_journal_open(j, output, "log", plan, listen, t, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char output[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    wh_journal j;
    told first, again;
    uint64_t at;
    if (input.fd == 0) { /* the folder of a journal, made before the file in it */
        scratch_make(&input.folder);
        atexit(input_remove);
        scratch_folder(&input.folder, "out.partial");
        scratch_path(&input.folder, "out", output);
        scratch_path(&input.folder, "out.partial/log", input.path);
        input.fd = open(input.path, O_RDWR | O_CREAT | O_EXCL, 0600);
        require(input.fd > 0);
    }
    input_put("log", data, size);
    whit_status st = open_again(&j, output, &first, &err);
    wh_journal_close(&j);
    if (st != WHIT_OK) {
        require(first.count == 0 && size >= 72 && err.code == st);
        require(st == (memcmp(data, "whitlog1", 8) == 0 ? WHIT_ERR_ARG : WHIT_ERR_FORMAT));
        return 0;
    }
    require(first.count == 0 || (first.last == 0 && first.end <= size));
    require(open_again(&j, output, &again, &err) == WHIT_OK);
    require(again.count == first.count && again.mix == first.mix && j.end == first.end);
    require(wh_journal_add(&j, 9, 5, "more", 4, &at, &err) == WHIT_OK && at == first.end + 16);
    require(wh_journal_commit(&j, &err) == WHIT_OK);
    wh_journal_close(&j);
    require(open_again(&j, output, &again, &err) == WHIT_OK && again.count == first.count + 2);
    wh_journal_close(&j);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return mutate_and_mend(journal_mend, data, size, max, seed);
}
#endif
