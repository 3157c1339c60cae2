/* src/job/feeds.h - what is fed to a model: texts, ids or activations, in windows.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_FEEDS_H
#define WH_JOB_FEEDS_H

#include <whit/calib.h>
#include <whit/eval.h>
#include <whit/tokenizer.h>
#include "base/lines.h"
#include "base/sha256.h"

#define WH_FEEDS_CONTEXT 2048 /* unless the caller says; and no more than the model's */

/* One of them, read. */
typedef struct wh_feed {
    const whit_feed *what;
    whit_ids ids;
    whit_file *file; /* of activations */
    uint64_t rows, cols;
    size_t slot; /* of activations: the input */
    char sha256[WH_SHA256_TEXT];
} wh_feed;

typedef struct wh_feeds {
    wh_feed *feed; /* [count] */
    size_t count;
    uint64_t tokens; /* of each text only so many ids; 0: all */
    whit_tokenizer *tokenizer;
    size_t window; /* tokens of one */
    size_t lead;   /* 1: each begins with `start` */
    uint32_t start;
    uint32_t *token; /* [window] */
} wh_feeds;

/* Read and hash all, which `what` lives as long as; texts wait for their tokenizer. Errors:
 * WHIT_ERR_IO, WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED, WHIT_ERR_NOMEM. Close then, too. */
whit_status wh_feeds_open(wh_feeds *f, const whit_feed *what, size_t count, uint64_t tokens,
                          whit_error *err);
void wh_feeds_close(wh_feeds *f); /* all zeros is fine */

/* Whether windows may have so many tokens; 0: it is left open. Errors: WHIT_ERR_ARG. */
whit_status wh_feeds_context(uint64_t context, whit_error *err);

/* What the windows need to know of the model. */
typedef struct wh_feeds_model {
    const char *path;
    const whit_file *file;
    uint32_t context, vocabulary;
    int64_t bos;
} wh_feeds_model;

/* Take the texts apart and settle the windows. context 0: what the model was made for, at most
 * WH_FEEDS_CONTEXT. Errors: those of whit_tokenizer_open; WHIT_ERR_FORMAT (no tokens, an id without
 * embedding). */
whit_status wh_feeds_settle(wh_feeds *f, const wh_feeds_model *m, uint64_t context,
                            wh_lines *warnings, whit_error *err);

uint64_t wh_feed_windows(const wh_feeds *all, const wh_feed *f);
/* Tokens up to a place in a feed; of its whole: window WH_FEED_ALL. */
#define WH_FEED_ALL UINT64_MAX
uint64_t wh_feed_tokens(const wh_feeds *all, const wh_feed *f, uint64_t window, uint64_t position);
/* The tokens of a window into all->token; returns how many. */
size_t wh_feed_window(const wh_feeds *all, const wh_feed *f, uint64_t window);

#endif
