/* tests/test_calibrate_stop.c - calibrations that do not get to their end: interrupted anywhere,
 * killed anywhere, taken up; hostile states; what is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calibrations.h"

#include <math.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/file.h"

/* ---- interrupted ----------------------------------------------------------------------------- */

static struct {
    int left; /* steps until it stops; 0: never */
    int dies;
} stopping;

static int stop(void *user, const whit_progress *p)
{
    (void)user;
    CHECK(p->done <= p->total, "done beyond the total");
    if (stopping.left == 0 || --stopping.left > 0) return 0;
    if (stopping.dies) _exit(9); /* as a kill: nothing is cleaned up */
    return 1;
}

static void resuming(whit_calibrate_options *o)
{
    o->hessian = 1;
    o->resume = 1;
    o->context = 300;
    o->save_every = stopping.dies ? 1e-9 : 0;
    o->job.progress = stop;
}

static void test_interrupted(void)
{
    whit_error err = { WHIT_OK, "" };
    whit_calib *c = NULL;
    made("012", at("whole"), resuming);
    for (int left = 1; left < 9; left++) {
        int runs = 0;
        whit_status st;
        do { /* each run goes `left` pieces further */
            stopping.left = left;
            err.msg[0] = 0;
            st = run_texts("012", at("cut"), resuming, &err);
            CHECK(st == WHIT_OK || st == WHIT_ERR_CANCELLED, "%d: %s", (int)st, err.msg);
            if (st != WHIT_ERR_CANCELLED) break;
            CHECK(!wh_file_exists(at("cut")), "an interrupted run has an output");
            CHECK(whit_calib_open(&c, at("cut.partial/state.safetensors"), &err) == WHIT_OK,
                  "no state was kept: %s", err.msg);
            whit_calib_close(c);
        } while (runs++ < 100);
        stopping.left = 0;
        CHECK(st == WHIT_OK && runs > 0, "%d runs", runs);
        same(at("whole"), at("cut"), "taken up");
        CHECK(!wh_file_exists(at("cut.partial")), "OUTPUT.partial is left");
        remove(at("cut"));
    }
    /* without --resume nothing is kept, and what was kept goes */
    stopping.left = 2;
    CHECK(run_texts("012", at("cut"), resuming, &err) == WHIT_ERR_CANCELLED, "interrupted");
    stopping.left = 0;
    made("0", at("cut"), NULL);
    same(at("cut"), at("a"), "another run");
    CHECK(!wh_file_exists(at("cut.partial")), "it cleans up");
    /* another plan is refused */
    stopping.left = 2;
    remove(at("cut"));
    CHECK(run_texts("012", at("cut"), resuming, &err) == WHIT_ERR_CANCELLED, "interrupted");
    stopping.left = 0;
    CHECK(run_texts("021", at("cut"), resuming, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan"),
          "%s", err.msg);
    made("012", at("cut"), resuming);
    same(at("whole"), at("cut"), "after a refusal");
}

/* Another config.json is another plan, though the weights are the same. */
static void test_other_config(void)
{
    static const char *const names[] = { "config.json", "model.safetensors", "tokenizer.json",
                                         "tokenizer_config.json" };
    char model[sizeof here->folder], from[SCRATCH_PATH], to[64];
    whit_error err = { WHIT_OK, "" };
    memcpy(model, here->folder, sizeof model);
    scratch_folder(&here->s, "copy");
    for (size_t i = 0; i < 4; i++) {
        size_t len;
        snprintf(from, sizeof from, "%s/%s", model, names[i]);
        snprintf(to, sizeof to, "copy/%s", names[i]);
        void *data = scratch_read(from, &len);
        scratch_write(&here->s, to, data, len);
        free(data);
    }
    snprintf(here->folder, sizeof here->folder, "%.400s", at("copy"));
    stopping.left = 2;
    CHECK(run_texts("0", at("cut"), resuming, &err) == WHIT_ERR_CANCELLED, "interrupted");
    stopping.left = 0;
    FILE *f = fopen(at("copy/config.json"), "a");
    if (!f || fputs("\n", f) < 0 || fclose(f) != 0) scratch_die("config.json");
    CHECK(run_texts("0", at("cut"), resuming, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan"),
          "%s", err.msg);
    scratch_remove_tree(at("cut.partial"));
    memcpy(here->folder, model, sizeof model);
}

static void test_killed(void)
{
    for (int left = 1; left < 14; left += 2) {
        remove(at("cut"));
        for (int runs = 0; runs < 40; runs++) {
            fflush(NULL);
            const pid_t child = fork();
            if (child == 0) {
                stopping.dies = 1;
                stopping.left = left;
                _exit(run_texts("012", at("cut"), resuming, NULL) == WHIT_OK ? 0 : 1);
            }
            int status = 0;
            waitpid(child, &status, 0);
            const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            CHECK(code == 0 || code == 9, "a killed run ended with %d", code);
            if (code != 9) break;
        }
        same(at("whole"), at("cut"), "killed and taken up");
        CHECK(!wh_file_exists(at("cut.partial")) && !wh_file_exists(at(".cut.whit-tmp")) &&
                  !wh_file_exists(at(".cut.whit-lock")),
              "something is left");
    }
}

/* ---- hostile states -------------------------------------------------------------------------- */

/* Every octet of a small state changed, and every cut: it is read or refused, in one line. */
static void test_hostile(void)
{
    static float x[5 * 3] = { 1, -2, 3, 0, 5, -6, 7, 8, 9, 10, 0, 12, 13, 14, 0.5f };
    const whit_feed f = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("s.npy"), .input = "w" };
    whit_error err = { WHIT_OK, "" };
    size_t len, good = 0;
    put_npy("s.npy", x, 5, 3);
    CHECK(run_dumps(&f, 1, at("s"), &err) == WHIT_OK, "%s", err.msg);
    unsigned char *data = scratch_read(at("s"), &len);
    const size_t head = (size_t)wh_load64(data) + 8;
    for (size_t i = 0; i < len; i++) {
        if (i > head + 700 && i + 700 < len && i % 97) continue; /* bins, all 0 */
        for (int how = 0; how < 3; how++) {
            const unsigned char keep = data[i];
            whit_calib *c = NULL;
            data[i] = (unsigned char)(how == 0 ? keep ^ 1 : how == 1 ? keep ^ 0x80 : 0xff);
            scratch_write(&here->s, "t", data, how == 2 && i % 5 == 0 ? i : len);
            err.msg[0] = 0;
            const whit_status st = whit_calib_open(&c, at("t"), &err);
            CHECK(st == WHIT_OK ||
                      ((st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED) && job_one_line(&err)),
                  "octet %zu: %d %s", i, (int)st, err.msg);
            good += st == WHIT_OK;
            whit_calib_close(c);
            data[i] = keep;
        }
    }
    CHECK(good > 0 && good < 3000, "%zu changes were accepted", good);
    free(data);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(const whit_feed *feed, size_t n, const char *path, const char *out,
                    whit_status st, const char *says)
{
    whit_calibrate_options o;
    whit_error err = { WHIT_OK, "" };
    whit_calibrate_options_init(&o);
    o.feed = feed;
    o.feeds = n;
    const whit_status got = whit_calibrate(NULL, path, &o, out, &err);
    CHECK(got == st && strstr(err.msg, says), "%d: %s (want %d: %s)", (int)got, err.msg, (int)st,
          says);
    CHECK(job_one_line(&err), "one line");
}

static void test_refused(void)
{
    const whit_feed text = { .kind = WHIT_FEED_TEXT, .path = here->text[0] };
    const whit_feed empty = { .kind = WHIT_FEED_TEXT, .path = "empty", .data = "", .len = 0 };
    const whit_feed ids = { .kind = WHIT_FEED_IDS, .path = "ids", .data = "1 99999", .len = 7 };
    const whit_feed dump = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("big.npy"), .input = "w" };
    float x[4] = { 1, 2, 3, 0x1.000002p24f };
    refused(NULL, 0, here->folder, at("no"), WHIT_ERR_ARG, "nothing to feed");
    refused(&text, 1, NULL, at("no"), WHIT_ERR_ARG, "without a model");
    refused(&dump, 1, here->folder, at("no"), WHIT_ERR_ARG, "fed to a model");
    refused(&text, 1, "no-model", at("no"), WHIT_ERR_IO, "no-model");
    refused(&text, 1, here->folder, at("a"), WHIT_ERR_ARG, "exists");
    refused(&empty, 1, here->folder, at("no"), WHIT_ERR_FORMAT, "has no tokens");
    refused(&ids, 1, here->folder, at("no"), WHIT_ERR_FORMAT, "token 99999");
    put_npy("big.npy", x, 2, 2);
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_NUMERIC, "w: its input has a magnitude above 2^24");
    x[3] = NAN;
    put_npy("big.npy", x, 2, 2);
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_NUMERIC, "in channel 1");
    scratch_text(&here->s, "big.npy", "no array");
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_UNSUPPORTED, "big.npy");
    CHECK(!wh_file_exists(at("no")), "nothing was written");

    whit_calib *c = NULL;
    whit_error err = { WHIT_OK, "" };
    char model[SCRATCH_PATH];
    snprintf(model, sizeof model, "%s/model.safetensors", here->folder);
    CHECK(whit_calib_open(&c, model, &err) == WHIT_ERR_UNSUPPORTED && !c &&
              strstr(err.msg, "no calibration state"),
          "%s", err.msg);
    CHECK(whit_calib_probe(at("a")) && !whit_calib_probe(model) && !whit_calib_probe("none"),
          "probe");
    whit_job_options o;
    whit_job_options_init(&o);
    const whit_merge_part parts[2] = { { at("a"), 0 }, { at("s"), 0 } };
    CHECK(whit_calibrate_merge(parts, 2, at("no"), &o, &err) == WHIT_ERR_FORMAT, "%s", err.msg);
    const whit_merge_part own[1] = { { at("a"), 0 } };
    o.force = 1;
    CHECK(whit_calibrate_merge(own, 1, at("a"), &o, &err) == WHIT_ERR_ARG, "%s", err.msg);
}

int main(int argc, char **argv)
{
    place p;
    if (argc < 2) return 1;
    place_open(&p, argv[1]);
    made("0", at("a"), NULL);
    test_interrupted();
    test_other_config();
    test_killed();
    test_hostile();
    test_refused();
    scratch_remove(&p.s);
    return check_result();
}
