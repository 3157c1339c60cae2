/* src/job/glob.c - the globs of rules: parsed into a small program, matched by following all of its
 * live positions at once.
 *
 * The program is a list of operations. Each leads to a later one (a star also to itself), so one
 * pass in the order of the list follows all ways at one character of the name, and matching costs
 * at most operations x characters, with two octets of memory an operation. Nothing is tried twice
 * and nothing recurses, whatever the glob. Not here: case folding, escapes, paths.
 *
 *   {ab,c*}    0 fork 4   1 'a'   2 'b'   3 jump 7   4 fork 7   5 'c'   6 star   7 end
 *
 * Source: simulation of a nondeterministic automaton, Thompson, "Regular expression search
 * algorithm", CACM 11(6), 1968.
 *
 * SPDX-License-Identifier: MIT */
#include "job/glob.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OCTETS 4096
#define MAX_DEPTH 16
#define MAX_NUMBER (UINT64_C(1) << 63)
#define NO_NUMBER UINT64_MAX
#define NOWHERE UINT32_MAX

typedef enum op_kind {
    OP_CHAR,   /* the character lo                                             */
    OP_ANY,    /* one character                                                */
    OP_STAR,   /* any number of characters                                     */
    OP_CLASS,  /* an ASCII character of the set lo (0..63), hi (64..127)       */
    OP_NOT,    /* one character outside that set                               */
    OP_NUMBER, /* the first digit of a whole run whose value is lo .. hi       */
    OP_DIGITS, /* the rest of that run                                         */
    OP_FORK,   /* the next operation and `to`                                  */
    OP_JUMP,   /* `to`                                                         */
    OP_END
} op_kind;

typedef struct op {
    op_kind kind;
    uint32_t to;
    uint64_t lo, hi;
} op;

struct wh_glob {
    size_t count;
    op ops[];
};

typedef struct parser {
    const char *text;
    size_t pos;
    wh_glob *glob; /* with room for two operations an octet and the end */
    size_t depth;
    struct {
        size_t pos;           /* of the brace, for messages                     */
        uint32_t fork, jumps; /* of this alternative; chain of those to its end */
    } open[MAX_DEPTH];
} parser;

/* A UTF-8 character as its octets, first one highest. An octet that starts none is one itself. */
static uint64_t character(const char *text, size_t *octets)
{
    const unsigned char *u = (const unsigned char *)text;
    size_t n = u[0] < 0xc2 || u[0] > 0xf4 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    uint64_t ch = u[0];
    *octets = n;
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            *octets = 1;
            return u[0];
        }
        ch = ch << 8 | u[i];
    }
    return ch;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the run of digits at text. NO_NUMBER: none, a leading zero, or beyond 2^63. */
static size_t read_number(const char *text, uint64_t *value)
{
    size_t n = 0;
    uint64_t v = 0;
    for (; is_digit(text[n]); n++)
        if (v != NO_NUMBER) {
            uint64_t digit = (uint64_t)(text[n] - '0');
            v = v > (MAX_NUMBER - digit) / 10 ? NO_NUMBER : v * 10 + digit;
        }
    *value = n == 0 || (n > 1 && text[0] == '0') ? NO_NUMBER : v;
    return n;
}

static op *emit(parser *p, op_kind kind)
{
    op *o = &p->glob->ops[p->glob->count++];
    o->kind = kind;
    return o;
}

static uint32_t here(const parser *p)
{
    return (uint32_t)p->glob->count;
}

/* At the start of an alternative: the whole of it may be a range of numbers. */
static const char *parse_numbers(parser *p)
{
    uint64_t lo, hi;
    const char *text = p->text + p->pos;
    size_t n = read_number(text, &lo);
    if (n == 0 || text[n] != '.' || text[n + 1] != '.') return NULL;
    size_t m = read_number(text + n + 2, &hi);
    if (m == 0 || (text[n + 2 + m] != ',' && text[n + 2 + m] != '}')) return NULL;
    if (lo == NO_NUMBER || hi == NO_NUMBER) return "a bound with a leading zero, or beyond 2^63,";
    if (lo > hi) return "an empty range";
    op *o = emit(p, OP_NUMBER);
    o->lo = lo;
    o->hi = hi;
    emit(p, OP_DIGITS);
    p->pos += n + 2 + m;
    return NULL;
}

static const char *open_brace(parser *p)
{
    if (p->depth == MAX_DEPTH) return "a 17th level of braces";
    p->open[p->depth].pos = p->pos;
    p->open[p->depth].fork = here(p);
    p->open[p->depth].jumps = NOWHERE;
    p->depth++;
    p->pos++;
    emit(p, OP_FORK);
    return parse_numbers(p);
}

static const char *next_alternative(parser *p)
{
    uint32_t jump = here(p);
    emit(p, OP_JUMP)->to = p->open[p->depth - 1].jumps;
    p->open[p->depth - 1].jumps = jump;
    p->glob->ops[p->open[p->depth - 1].fork].to = here(p);
    p->open[p->depth - 1].fork = here(p);
    p->pos++;
    emit(p, OP_FORK);
    return parse_numbers(p);
}

static const char *close_brace(parser *p)
{
    p->depth--;
    op *ops = p->glob->ops;
    uint32_t fork = p->open[p->depth].fork;
    ops[fork].to = fork + 1; /* no alternative is left: both ways are the last one */
    for (uint32_t j = p->open[p->depth].jumps; j != NOWHERE;) {
        uint32_t next = ops[j].to;
        ops[j].to = here(p);
        j = next;
    }
    p->pos++;
    return NULL;
}

static const char *parse_class(parser *p)
{
    static const char *const unclosed = "a class that is never closed";
    const unsigned char *u = (const unsigned char *)p->text + p->pos + 1;
    size_t i = 0;
    int complement = u[0] == '!' || u[0] == '^';
    op *o = emit(p, complement ? OP_NOT : OP_CLASS);
    if (complement) u++;
    do {
        unsigned first = u[i], last = first;
        if (first == 0) return unclosed;
        if (u[i + 1] == '-' && u[i + 2] != ']') {
            last = u[i + 2];
            i += 2;
        }
        if (last == 0) return unclosed;
        if (first > 0x7f || last > 0x7f) return "a class with a character that is not ASCII";
        if (first > last) return "a class with an empty range";
        for (unsigned c = first; c <= last; c++)
            *(c < 64 ? &o->lo : &o->hi) |= UINT64_C(1) << (c & 63);
        i++;
    } while (u[i] != ']');
    p->pos += 1 + (size_t)complement + i + 1;
    return NULL;
}

static const char *parse_one(parser *p)
{
    size_t octets;
    switch (p->text[p->pos]) {
    case '*':
    case '?':
        emit(p, p->text[p->pos++] == '*' ? OP_STAR : OP_ANY);
        return NULL;
    case '[':
        return parse_class(p);
    case '{':
        return open_brace(p);
    case ',':
        if (p->depth) return next_alternative(p);
        break;
    case '}':
        if (p->depth) return close_brace(p);
        break;
    default:
        break;
    }
    emit(p, OP_CHAR)->lo = character(p->text + p->pos, &octets);
    p->pos += octets;
    return NULL;
}

whit_status wh_glob_parse(wh_glob **out, const char *text, whit_error *err)
{
    char shown[WH_SHORT];
    size_t len = strlen(text);
    const char *problem = NULL;
    *out = NULL;
    if (len > MAX_OCTETS)
        return wh_fail(err, WHIT_ERR_ARG, "glob '%s': longer than %d octets", wh_short(shown, text),
                       MAX_OCTETS);
    parser p = { .text = text };
    p.glob = wh_calloc(1, sizeof *p.glob + (2 * len + 1) * sizeof p.glob->ops[0]);
    if (!p.glob) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a glob");
    while (!problem && text[p.pos]) problem = parse_one(&p);
    if (!problem && p.depth) {
        problem = "a brace that is never closed";
        p.pos = p.open[p.depth - 1].pos;
    }
    if (problem) {
        free(p.glob);
        return wh_fail(err, WHIT_ERR_ARG, "glob '%s': %s at octet %zu", wh_short(shown, text),
                       problem, p.pos + 1);
    }
    emit(&p, OP_END);
    *out = p.glob;
    return WHIT_OK;
}

void wh_glob_free(wh_glob *glob)
{
    free(glob);
}

/* 1 if a number that o allows starts at name[i], and nothing of its run lies before. */
static int number_starts(const op *o, const char *name, size_t i)
{
    uint64_t value;
    if (!is_digit(name[i]) || (i > 0 && is_digit(name[i - 1]))) return 0;
    read_number(name + i, &value);
    return value >= o->lo && value <= o->hi;
}

/* From the positions alive in front of name[i] to those behind it; `now` also gains what is reached
 * without a character. Returns 1 if any is left, and the octets of the character. */
static int step(const wh_glob *glob, const char *name, size_t i, unsigned char *now,
                unsigned char *next, size_t *octets)
{
    int alive = 0;
    uint64_t ch = character(name + i, octets);
    for (size_t k = 0; k < glob->count; k++) {
        const op *o = &glob->ops[k];
        size_t to = k + 1; /* where the character leads, if o takes it */
        int takes = 0;
        if (!now[k]) continue;
        switch (o->kind) {
        case OP_CHAR:
            takes = ch == o->lo;
            break;
        case OP_ANY:
            takes = 1;
            break;
        case OP_CLASS:
        case OP_NOT:
            if (ch < 128) takes = (int)((ch < 64 ? o->lo : o->hi) >> (ch & 63) & 1);
            if (o->kind == OP_NOT) takes = !takes;
            break;
        case OP_NUMBER:
            takes = number_starts(o, name, i);
            break;
        case OP_DIGITS:
            takes = is_digit(name[i]);
            if (!takes) now[k + 1] = 1;
            to = k;
            break;
        case OP_STAR:
            takes = 1;
            now[k + 1] = 1;
            to = k;
            break;
        case OP_FORK:
            now[k + 1] = 1;
            now[o->to] = 1;
            break;
        case OP_JUMP:
            now[o->to] = 1;
            break;
        case OP_END:
            break;
        }
        if (takes) alive = next[to] = 1; /* behind the name's end nobody looks at it */
    }
    return alive;
}

int wh_glob_match(const wh_glob *glob, const char *name)
{
    static const char suffix[] = ".weight";
    size_t len = strlen(name), cut = sizeof suffix - 1, stem = len, octets = 0;
    if (len >= cut && memcmp(name + len - cut, suffix, cut) == 0) stem = len - cut;
    unsigned char *sets = wh_calloc(glob->count, 2);
    if (!sets) return -1;
    unsigned char *now = sets, *next = sets + glob->count;
    int found = 0, alive = 1;
    now[0] = 1;
    for (size_t i = 0; alive && !found && i <= len; i += octets) {
        alive = step(glob, name, i, now, next, &octets);
        found = now[glob->count - 1] && (i == stem || i == len);
        unsigned char *swap = now;
        now = next;
        next = swap;
        memset(next, 0, glob->count);
    }
    free(sets);
    return found;
}
