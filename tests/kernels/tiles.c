/* tests/kernels/tiles.c - the tile instructions of AMX in plain C, as the signal of an unknown
 * instruction asks for them.
 *
 * Integer sums wrap. Those of bfloat16 pairs: the products of the first of each pair and of the
 * second are each one chain of fused multiply-adds from +0, then the two are added, then that to
 * the tile; subnormal operands and results are 0, rounding is to nearest. (A processor flushes what
 * is below 2^-126 before the subnormal rounding that fmaf does first: a result within 2^-151 of
 * that bound may differ.) Source: Intel SDM volume 2, the instructions' operation; 2.3, the VEX
 * prefix. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* REG_RIP */
#include "kernels/tiles.h"

#include "base/cpu.h"

#if defined(__x86_64__) && defined(__linux__)

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bytes.h"
#include "kernels/guard.h"

typedef struct tile {
    size_t rows, row_bytes; /* 0: not configured */
    uint8_t data[16][64];
} tile;

static _Thread_local struct {
    int configured;
    tile t[8];
} unit;

static atomic_size_t executed, holders;

size_t tiles_executed(void)
{
    return atomic_load(&executed);
}

size_t tiles_holders(void)
{
    return atomic_load(&holders);
}

static void say(const char *text)
{
    const ssize_t ignored = write(1, text, strlen(text));
    (void)ignored;
}

static void refuse(const char *why)
{
    say("tiles: ");
    say(why);
    say(": ");
    say(guard_case_name());
    say("\n");
    _exit(1);
}

/* ---- what they do ---- */

static void release(void)
{
    if (unit.configured) atomic_fetch_sub(&holders, 1);
    memset(&unit, 0, sizeof unit);
}

static void configure(const uint8_t *c)
{
    release();
    if (c[0] != 1 || c[1] != 0) refuse("a palette or row that is not ours");
    for (size_t i = 2; i < 16; i++)
        if (c[i]) refuse("reserved octets of a configuration");
    for (size_t i = 0; i < 16; i++) {
        const size_t row_bytes = wh_load16(c + 16 + 2 * i), rows = c[48 + i];
        if (rows > 16 || row_bytes > 64 || row_bytes % 4 || !rows != !row_bytes || (i > 7 && rows))
            refuse("a configuration that faults");
        if (i > 7) continue;
        unit.t[i].rows = rows;
        unit.t[i].row_bytes = row_bytes;
    }
    unit.configured = 1;
    atomic_fetch_add(&holders, 1);
}

static tile *tile_at(unsigned i)
{
    if (i > 7 || !unit.configured || unit.t[i].rows == 0) refuse("a tile that was not configured");
    return &unit.t[i];
}

static void load(tile *t, const uint8_t *from, size_t stride)
{
    memset(t->data, 0, sizeof t->data);
    for (size_t r = 0; r < t->rows; r++) memcpy(t->data[r], from + r * stride, t->row_bytes);
}

static void store(const tile *t, uint8_t *to, size_t stride)
{
    for (size_t r = 0; r < t->rows; r++) memcpy(to + r * stride, t->data[r], t->row_bytes);
}

static void check_shapes(const tile *c, const tile *a, const tile *b)
{
    if (c == a || c == b || a == b) refuse("a product of the same tile");
    if (c->rows != a->rows || c->row_bytes != b->row_bytes || a->row_bytes != 4 * b->rows)
        refuse("a product of tiles that do not fit");
}

/* Signed octets of a times unsigned ones of b. */
static void product_int8(tile *c, const tile *a, const tile *b)
{
    for (size_t m = 0; m < c->rows; m++)
        for (size_t n = 0; n < c->row_bytes / 4; n++) {
            uint32_t sum = wh_load32(c->data[m] + 4 * n);
            for (size_t k = 0; k < b->rows; k++)
                for (size_t i = 0; i < 4; i++)
                    sum += (uint32_t)((int8_t)a->data[m][4 * k + i] * b->data[k][4 * n + i]);
            wh_store32(c->data[m] + 4 * n, sum);
        }
}

static float flushed(float v)
{
    return fabsf(v) < 0x1p-126f ? copysignf(0.0f, v) : v;
}

static float operand(const uint8_t *at)
{
    return flushed(wh_bits_f32((uint32_t)wh_load16(at) << 16));
}

static void product_bf16(tile *c, const tile *a, const tile *b)
{
    for (size_t m = 0; m < c->rows; m++)
        for (size_t n = 0; n < c->row_bytes / 4; n++) {
            float sum[2] = { 0.0f, 0.0f };
            for (size_t k = 0; k < b->rows; k++)
                for (size_t i = 0; i < 2; i++)
                    sum[i] = flushed(fmaf(operand(a->data[m] + 4 * k + 2 * i),
                                          operand(b->data[k] + 4 * n + 2 * i), sum[i]));
            const float both = flushed(sum[0] + sum[1]);
            const float before = flushed(wh_bits_f32(wh_load32(c->data[m] + 4 * n)));
            wh_store32(c->data[m] + 4 * n, wh_f32_bits(flushed(before + both)));
        }
}

/* ---- how they are encoded ---- */

typedef struct instruction {
    unsigned op, prefix; /* prefix: 0 none, 1 66, 2 F3, 3 F2 */
    unsigned mod, reg, rm, third;
    uintptr_t address; /* of the memory operand, without the index of a load's or store's rows */
    size_t index;      /* the index register, scaled */
    size_t length;
} instruction;

/* Registers in the order of their numbers. */
static uintptr_t value_of(const ucontext_t *u, unsigned number)
{
    static const int place[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15 };
    return (uintptr_t)u->uc_mcontext.gregs[place[number]];
}

/* The operand that a ModRM octet at p names. */
static void read_memory(instruction *i, const ucontext_t *u, const uint8_t *p, unsigned x,
                        unsigned b)
{
    const uint8_t *at = p + 1;
    unsigned base = i->rm | b << 3;
    const int has_sib = i->rm == 4;
    if (has_sib) {
        const unsigned index = (*at >> 3 & 7u) | x << 3;
        base = (*at & 7u) | b << 3;
        i->index = index == 4 ? 0 : value_of(u, index) << (*at >> 6);
        at++;
    }
    const int none = (base & 7) == 5 && i->mod == 0; /* a displacement alone, or from here */
    int32_t displacement = 0;
    if (i->mod == 1) displacement = (int8_t)*at++;
    if (i->mod == 2 || none) {
        displacement = (int32_t)wh_load32(at);
        at += 4;
    }
    i->length += (size_t)(at - p) - 1;
    i->address = none ? (has_sib ? 0 : (uintptr_t)at) : value_of(u, base);
    i->address += (uintptr_t)(intptr_t)displacement;
}

/* 0: none of ours. */
static int decode(instruction *i, const ucontext_t *u, const uint8_t *p)
{
    if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84) != 0) return 0; /* 0F38, W0, 128 bits */
    *i = (instruction){ .op = p[3], .prefix = p[2] & 3u, .mod = (unsigned)p[4] >> 6 };
    i->reg = p[4] >> 3 & 7u;
    i->rm = p[4] & 7u;
    i->third = ~((unsigned)p[2] >> 3) & 15u;
    i->length = 5;
    if (i->op != 0x49 && i->op != 0x4b && i->op != 0x5c && i->op != 0x5e) return 0;
    if (i->mod != 3) read_memory(i, u, p + 4, !(p[1] & 0x40), !(p[1] & 0x20));
    return 1;
}

static int execute(const instruction *i)
{
    const unsigned what = i->op << 8 | i->prefix << 4 | (i->mod == 3);
    uint8_t *memory = (uint8_t *)i->address;
    switch (what) {
    case 0x4900:
        configure(memory + i->index);
        return 1;
    case 0x4901:
        release();
        return i->reg == 0 && i->rm == 0;
    case 0x4931:
        memset(tile_at(i->reg)->data, 0, sizeof unit.t[0].data);
        return 1;
    case 0x4b30:
        load(tile_at(i->reg), memory, i->index);
        return 1;
    case 0x4b20:
        store(tile_at(i->reg), memory, i->index);
        return 1;
    case 0x5c21:
    case 0x5e21:
        check_shapes(tile_at(i->reg), tile_at(i->rm), tile_at(i->third));
        (i->op == 0x5c ? product_bf16 : product_int8)(&unit.t[i->reg], &unit.t[i->rm],
                                                      &unit.t[i->third]);
        return 1;
    default:
        return 0;
    }
}

/* Instructions that follow each other are executed in one go. */
static void trapped(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    instruction i;
    size_t count = 0;
    (void)number;
    (void)info;
    while (decode(&i, u, (const uint8_t *)u->uc_mcontext.gregs[REG_RIP]) && execute(&i)) {
        u->uc_mcontext.gregs[REG_RIP] += (greg_t)i.length;
        count++;
    }
    if (count == 0) refuse("an unknown instruction");
    atomic_fetch_add(&executed, count);
}

tiles_by tiles_open(void)
{
    struct sigaction action;
    const uint32_t cpu = wh_cpu_features();
    if (cpu & WH_ISA_AMX) return TILES_REAL;
    /* what the kernels use besides */
    if (!(cpu & WH_ISA_AVX512VNNI) || !__builtin_cpu_supports("avx512bf16")) return TILES_NONE;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGILL, &action, NULL) == 0 ? TILES_TRAPPED : TILES_NONE;
}

#else

tiles_by tiles_open(void)
{
    return TILES_NONE;
}

size_t tiles_executed(void)
{
    return 0;
}

size_t tiles_holders(void)
{
    return 0;
}

#endif
