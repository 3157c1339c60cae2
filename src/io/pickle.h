/* src/io/pickle.h - a pickle as a tree of plain values. Nothing in it is ever run.
 *
 * A closed table of opcodes, and of the names that a caller allows; the first of anything else is
 * an error that says what and where. Calls are not made: they are kept, name and arguments.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_PICKLE_H
#define WH_IO_PICKLE_H

#include "base/error.h"

#define WH_PICKLE_MOST ((size_t)32 << 20) /* octets of a pickle */

typedef enum wh_pickle_kind {
    WH_PICKLE_NONE,
    WH_PICKLE_BOOL,
    WH_PICKLE_INT,
    WH_PICKLE_LONG,  /* whole, of more than 64 bits; its value is not kept */
    WH_PICKLE_FLOAT, /* nor is that */
    WH_PICKLE_TEXT,  /* UTF-8 */
    WH_PICKLE_OCTETS,
    WH_PICKLE_TUPLE,
    WH_PICKLE_LIST,
    WH_PICKLE_DICT, /* items: key, value, key, value, .. */
    WH_PICKLE_SET,  /* an empty one */
    WH_PICKLE_GLOBAL,
    WH_PICKLE_CALL,      /* of an allowed name, that was not made */
    WH_PICKLE_PERSISTENT /* an object that is kept outside: its id */
} wh_pickle_kind;

/* What may be done with a name. */
typedef enum wh_pickle_use {
    WH_PICKLE_ONLY_NAMED, /* never called */
    WH_PICKLE_CALLED,     /* a call of it is a value */
    WH_PICKLE_MAKES_DICT  /* called with nothing, or a list of pairs, it is a dict */
} wh_pickle_use;

typedef struct wh_pickle_global {
    const char *module, *name;
    wh_pickle_use use;
    int what, type; /* the caller's own */
} wh_pickle_global;

typedef struct wh_pickle_node {
    uint32_t kind;  /* wh_pickle_kind */
    uint32_t count; /* items; octets of a text */
    union {
        int64_t number; /* int, bool */
        uint32_t at;    /* of a text, in the pickle */
        struct {
            uint32_t first, last; /* items, as cells */
        } items;
        struct {
            uint32_t global, value; /* index into the table; arguments (a tuple), or the id */
        } call;
    } u;
} wh_pickle_node;

typedef struct wh_pickle_cell {
    uint32_t node, next;
} wh_pickle_cell;

#define WH_PICKLE_END UINT32_MAX /* no further cell */

/* Numbers of nodes, and of cells, are indices. Items may be shared, and may lead back to where they
 * are: walk with a limit. */
typedef struct wh_pickle {
    const unsigned char *text; /* borrowed */
    const wh_pickle_global *globals;
    wh_pickle_node *node;
    wh_pickle_cell *cell;
    uint32_t nodes, cells;
    uint32_t root;
    size_t end; /* octets of the pickle, its end included */
    /* internal */
    size_t node_cap, cell_cap;
} wh_pickle;

/*
 * Read the pickle that `text` begins with (what follows it is not looked at). label is what
 * messages call it. p is to be freed, also after an error. Errors: WHIT_ERR_FORMAT,
 * WHIT_ERR_UNSUPPORTED (an opcode or a name that is not allowed), WHIT_ERR_NOMEM.
 */
whit_status wh_pickle_read(wh_pickle *p, const char *label, const void *text, size_t len,
                           const wh_pickle_global *globals, size_t count, whit_error *err);
void wh_pickle_free(wh_pickle *p);

static inline const wh_pickle_node *wh_pickle_at(const wh_pickle *p, uint32_t node)
{
    return &p->node[node];
}
/* Item i of a tuple or list, from 0; NULL: there are fewer. Steps through all before it. */
const wh_pickle_node *wh_pickle_item(const wh_pickle *p, const wh_pickle_node *n, uint32_t i);
/* The value of a dict under the last key that is this text; NULL: there is none, or n is no dict.
 */
const wh_pickle_node *wh_pickle_find(const wh_pickle *p, const wh_pickle_node *n, const char *key);
/* 1 if n is this text. */
int wh_pickle_is(const wh_pickle *p, const wh_pickle_node *n, const char *text);

#endif
