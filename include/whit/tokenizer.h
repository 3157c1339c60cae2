/* include/whit/tokenizer.h - texts to token ids and back.
 *
 * Vocabularies: a model folder or tokenizer.json (BPE: byte-level, or SentencePiece with byte
 * fallback), a SentencePiece tokenizer.model of the kind BPE, the metadata of a GGUF file ("llama",
 * "gpt2"), llama2.c's tokenizer.bin. The ids are those of the vocabulary's own library; a
 * normalizer, pre-tokenizer or kind of model that is not implemented is refused by its name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TOKENIZER_H
#define WHIT_TOKENIZER_H

#include <stdio.h>

#include <whit/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_tokenizer whit_tokenizer;

/*
 * Open a vocabulary; what it is goes by content.
 *
 *   path  a folder with tokenizer.json or tokenizer.model, or with a GGUF file; or a file:
 *         tokenizer.json, tokenizer.model, GGUF, llama2.c's tokenizer.bin; a safetensors file or
 *         its index in such a folder
 *
 * Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (malformed; no vocabulary there), WHIT_ERR_UNSUPPORTED
 * (Unigram, WordPiece, ..: by name), WHIT_ERR_NOMEM. *out is NULL then.
 */
WHIT_API whit_status whit_tokenizer_open(whit_tokenizer **out, const char *path, whit_error *err);
WHIT_API void whit_tokenizer_close(whit_tokenizer *tokenizer); /* NULL is fine */

typedef struct whit_tokenizer_info {
    const char *path;          /* as given to open */
    const char *source;        /* "tokenizer.json", "tokenizer.model", "gguf", "llama2.c" */
    const char *model;         /* "byte-level BPE", "SentencePiece BPE" */
    const char *split;         /* how text becomes words, by GGUF's names: "gpt-2", "llama-bpe",
                                  "qwen2", ..; "default" for SentencePiece                    */
    uint32_t vocabulary;       /* highest id + 1; a model's embedding may have more rows      */
    int64_t bos, eos;          /* ids, -1 where there is none                                 */
    int64_t eot, unk, pad;     /* end of a turn; unknown; padding                             */
    int adds_bos, adds_eos;    /* whether they go around a text (WHIT_TOKENIZE_AROUND)        */
    const char *chat_template; /* Jinja text, NULL where there is none; never run             */
} whit_tokenizer_info;

/* Everything in it belongs to the tokenizer. */
WHIT_API const whit_tokenizer_info *whit_tokenizer_describe(const whit_tokenizer *tokenizer);

/* Things worth a word that are no error, one line each; NULL from the last on. */
WHIT_API const char *whit_tokenizer_note(const whit_tokenizer *tokenizer, size_t index);

/* The id of a token by its text as the vocabulary writes it ("<|eot_id|>"), -1: there is none. */
WHIT_API int64_t whit_tokenizer_find(const whit_tokenizer *tokenizer, const char *text);

/* A growing list of ids. Zero-initialise; whit_ids_free at the end. */
typedef struct whit_ids {
    uint32_t *id;
    size_t count, cap;
} whit_ids;
WHIT_API void whit_ids_free(whit_ids *ids); /* also empties it for another use */

/*
 * Ids from a text: decimal numbers with white space or commas between them; or JSON, a list of
 * numbers or an object whose member "ids" is one. They are put behind those that are there.
 * Errors: WHIT_ERR_FORMAT (something else; a number above 2^32 - 2), WHIT_ERR_NOMEM; ids are then
 * as before.
 */
WHIT_API whit_status whit_ids_read(whit_ids *ids, const char *text, size_t len, whit_error *err);
/* {"schema":1,"ids":[..]} and a new line. Errors on out are left to the caller's ferror. */
WHIT_API void whit_ids_write_json(const whit_ids *ids, FILE *out);

enum {
    WHIT_TOKENIZE_AROUND = 1, /* with the tokens that go around a text (BOS, ..)              */
    WHIT_TOKENIZE_PLAIN = 2,  /* text that spells a special token is text like any other      */
    WHIT_TOKENIZE_BEFORE = 4  /* with those of them that go before: the text will go on       */
};

/*
 * Text to ids.
 *
 *   text   in   UTF-8 [len]; NUL is a character like others
 *   flags  in   WHIT_TOKENIZE_*, or'ed; 0: special tokens in the text count, none are added
 *   ids    out  the ids are put behind those that are there
 *
 * Time is n log n in the longest word, otherwise linear; memory goes with the longest word (of
 * SentencePiece vocabularies: the longest stretch without a space, where no token crosses one).
 * Errors: WHIT_ERR_ARG (not UTF-8: err->msg says where), WHIT_ERR_FORMAT (the vocabulary has no
 * token for an octet, and none for what is unknown), WHIT_ERR_NOMEM; ids are then as before.
 * Threads: any number at once on one tokenizer, each with its own ids.
 */
WHIT_API whit_status whit_tokenize(const whit_tokenizer *tokenizer, const char *text, size_t len,
                                   unsigned flags, whit_ids *ids, whit_error *err);

enum {
    WHIT_DETOKENIZE_SPECIAL = 1, /* special tokens are written out, instead of left out */
    WHIT_DETOKENIZE_INSIDE = 2 /* so are they, but for those that whit_tokenize puts around a text,
                                  where they are around it. Of whole texts only, not of streams. */
};

/*
 * Ids to text: *text is [*len] octets and a NUL behind them, freed with free(). The octets are
 * those of the tokens; they are UTF-8 where the ids come from whit_tokenize, and need not be
 * elsewhere. Errors: WHIT_ERR_ARG (no such id), WHIT_ERR_NOMEM; *text is NULL then.
 */
WHIT_API whit_status whit_detokenize(const whit_tokenizer *tokenizer, const uint32_t *ids,
                                     size_t count, unsigned flags, char **text, size_t *len,
                                     whit_error *err);

/* A text that is decoded as its ids come. Zero-initialise; set flags. */
typedef struct whit_text_stream {
    unsigned flags; /* WHIT_DETOKENIZE_* */
    int begun;      /* something was decoded already */
} whit_text_stream;

/*
 * The octets that the next id adds to the text; whit_detokenize is this, id by id. A character may
 * be spread over several ids.
 *
 *   text  out  [*len] octets, which belong to the tokenizer; not NUL-terminated; *len may be 0
 *
 * Errors: WHIT_ERR_ARG (no such id). Threads: as above, each with its own stream.
 */
WHIT_API whit_status whit_detokenize_next(const whit_tokenizer *tokenizer, whit_text_stream *stream,
                                          uint32_t id, const char **text, size_t *len,
                                          whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
