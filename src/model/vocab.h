/* src/model/vocab.h - a vocabulary: what it takes to encode text, and to write the GGUF keys.
 *
 * One structure for all sources (tokenizer.json, tokenizer.model, GGUF, llama2.c's tokenizer.bin).
 * Token texts are in the form that GGUF stores: of byte-level vocabularies the pieces in the
 * printable alphabet (space is U+0120), of SentencePiece ones with U+2581 for the space and octets
 * as <0x00> .. <0xFF>; control tokens as they are written.
 *
 * Here: the data and its readers. Not here: encoding (model/token.h), writing.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_VOCAB_H
#define WH_MODEL_VOCAB_H

#include <whit/file.h>
#include "base/error.h"
#include "base/lines.h"
#include "model/text_index.h"

#define WH_VOCAB_MOST ((uint32_t)1 << 26) /* ids lie below: no vocabulary is near it */

typedef enum wh_vocab_kind {
    WH_VOCAB_SPM = 1, /* SentencePiece BPE: GGUF "llama"; scores                      */
    WH_VOCAB_BPE = 2  /* byte-level BPE: GGUF "gpt2"; merges                          */
} wh_vocab_kind;

/* Values are those of GGUF and of SentencePiece. */
typedef enum wh_token_type {
    WH_TOKEN_NORMAL = 1,
    WH_TOKEN_UNKNOWN = 2,
    WH_TOKEN_CONTROL = 3,
    WH_TOKEN_USER = 4,
    WH_TOKEN_UNUSED = 5,
    WH_TOKEN_BYTE = 6
} wh_token_type;

typedef struct wh_token {
    const char *text; /* UTF-8 without NUL, terminated; NULL: no token has this id (a writer of
                         GGUF puts [PAD<id>] there); unique in the vocabulary unless it is ""  */
    uint32_t len;
    float score;        /* of SPM; 0 in byte-level vocabularies, -10000 in holes of SPM           */
    wh_token_type type; /* UNUSED in holes                                                        */
} wh_token;

/* Tokens by id; the place in the list is the rank, lowest first. As text: those of the two tokens
 * with a space between. */
typedef struct wh_merge {
    uint32_t left, right, result;
} wh_merge;

typedef enum wh_special {
    WH_SPECIAL_BOS,
    WH_SPECIAL_EOS,
    WH_SPECIAL_UNK,
    WH_SPECIAL_SEP,
    WH_SPECIAL_PAD,
    WH_SPECIAL_MASK,
    WH_SPECIAL_EOT,
    WH_SPECIAL_EOM,
    WH_SPECIAL_FIM_PRE,
    WH_SPECIAL_FIM_SUF,
    WH_SPECIAL_FIM_MID,
    WH_SPECIAL_FIM_PAD,
    WH_SPECIAL_FIM_REP,
    WH_SPECIAL_FIM_SEP,
    WH_SPECIAL_COUNT
} wh_special;

/* How text becomes words before the merges. */
typedef enum wh_pre {
    WH_PRE_NONE,   /* SPM: the whole segment is one word                            */
    WH_PRE_GPT2,   /* the pattern of GPT-2                                          */
    WH_PRE_LLAMA3, /* that of Llama 3: up to three digits a word                    */
    WH_PRE_QWEN2,  /* the same with one digit a word                                */
    WH_PRE_SMOLLM  /* digits apart, one a word; between them GPT-2's pattern        */
} wh_pre;

/* Where an SPM vocabulary puts a space before the text. */
typedef enum wh_space_before {
    WH_PREFIX_NEVER,
    WH_PREFIX_FIRST,  /* the segment at the start of the input, unless it has one       */
    WH_PREFIX_ALWAYS, /* each segment between added tokens, unless it has one           */
    WH_PREFIX_PREPEND /* each segment, whatever it begins with                          */
} wh_space_before;

/* A token that is found in the text before anything else. */
typedef struct wh_added {
    uint32_t id;
    const char *text; /* as it is matched; NUL-terminated besides */
    uint32_t len;
    unsigned char special, single_word, lstrip, rstrip, normalized; /* 0 or 1 */
} wh_added;

typedef struct wh_vocab {
    wh_vocab_kind kind;
    wh_token *token; /* [count], by id */
    uint32_t count;  /* highest id + 1; the model's embedding may have more rows */
    wh_merge *merge; /* [merges]; of SPM only where tokenizer.json is the source: they rule then */
    size_t merges;
    wh_added *added; /* [addeds], in the order of the file */
    size_t addeds;

    const char *pre; /* tokenizer.ggml.pre: "default" (SPM), "gpt-2", "llama-bpe", "qwen2", ..  */
    wh_pre split;
    wh_space_before prefix;
    unsigned char nfc;           /* text is normalised to NFC first                             */
    unsigned char prefix_space;  /* byte-level: a space goes before text that starts without    */
    unsigned char ignore_merges; /* byte-level: a word that is a token is that token            */
    unsigned char byte_fallback; /* SPM: what has no token becomes <0xHH>                       */
    unsigned char fuse_unk;      /* neighbours without a token become one unk                   */
    unsigned char plain_spaces;  /* llama2.c: U+2581 in a text is no space                      */
    unsigned char strip_space;   /* decoding drops a space at the start                         */
    unsigned char marks_first;   /* SPM: spaces are marked before, not behind, the search for added
                                    tokens of normalised text                                    */

    int64_t special[WH_SPECIAL_COUNT]; /* ids; -1: none */
    uint32_t *before, *after;          /* ids around a text, as the post-processor adds them */
    size_t befores, afters;

    /* Keys of GGUF: 0, 1, or -1 where the source does not say. */
    signed char add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
    const char *chat_template; /* NUL-terminated UTF-8; NULL: none */

    wh_lines notes; /* what is worth a word: things left out */

    wh_text_index index; /* of the texts that are not empty; wh_vocab_find */
    size_t token_cap, merge_cap, added_cap;
    struct wh_vocab_block *texts;
} wh_vocab;

/*
 * Readers. *out is NULL unless they succeed; wh_vocab_free. err may be NULL.
 * Errors: WHIT_ERR_IO, WHIT_ERR_NOMEM, WHIT_ERR_FORMAT (malformed or truncated; ids or texts twice;
 * merges of what is not there), WHIT_ERR_UNSUPPORTED (another kind of model, normalizer,
 * pre-tokenizer, post-processor: by name).
 */

/* A model folder: tokenizer.json, else tokenizer.model; special ids, flags and chat template from
 * tokenizer_config.json, special_tokens_map.json, generation_config.json, config.json and
 * chat_template.jinja, where they are. Without both, a tokenizer of llama2.c (below).
 * WHIT_ERR_FORMAT: there is none. */
whit_status wh_vocab_read_folder(wh_vocab **out, const char *folder, whit_error *err);

/* What wh_vocab_read_folder would read: 1 tokenizer.json, 2 tokenizer.model, 0 neither; -1: no
 * memory to look. */
int wh_vocab_in_folder(const char *folder);

/* One file by itself, tokenizer.json or tokenizer.model. */
whit_status wh_vocab_read_json(wh_vocab **out, const char *path, whit_error *err);
whit_status wh_vocab_read_sentencepiece(wh_vocab **out, const char *path, whit_error *err);

/* The tokenizer.* keys of an open GGUF file; of its texts copies are kept. WHIT_ERR_FORMAT: it has
 * none. */
whit_status wh_vocab_read_gguf(wh_vocab **out, const whit_file *file, whit_error *err);

/* tokenizer.bin of llama2.c, which does not say how many tokens it has: count (of the model) or 0
 * for all that are there. WHIT_ERR_FORMAT: fewer or more than count. */
whit_status wh_vocab_read_llama2c(wh_vocab **out, const char *path, uint32_t count,
                                  whit_error *err);

/* The one in a folder: tokenizer.bin, else the only tok*.bin. *path is NULL where there is none,
 * and freed with free(). WHIT_ERR_FORMAT: several. */
whit_status wh_vocab_find_llama2c(const char *folder, char **path, whit_error *err);

void wh_vocab_free(wh_vocab *vocab); /* NULL is fine */

/* The id of the token with that text, or -1. */
int64_t wh_vocab_find(const wh_vocab *vocab, const char *text, size_t len);

/* The GGUF key of a special id: "tokenizer.ggml.bos_token_id". */
const char *wh_special_key(wh_special which);
/* "bos", "eos", .. */
const char *wh_special_name(wh_special which);

#endif
