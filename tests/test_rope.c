/* tests/test_rope.c - rotary positions: given values of each kind of scaling, and the turning.
 *
 * SPDX-License-Identifier: MIT */
#include "model/rope.h"

#include <math.h>

#include "check.h"
#include "configs.h"

static void parse(wh_model_config *c, const char *changes)
{
    char text[CONFIGS_TEXT];
    whit_error err = { WHIT_OK, "" };
    configs_text(text, changes);
    CHECK(wh_config_parse(c, "c", text, strlen(text), &err) == WHIT_OK, "%s", err.msg);
}

/* Those with an index are of 16.2 of the notes on methods; others are the definition. */
static const struct {
    const char *changes;
    int i;
    double want;
} given[] = {
    /* clang-format off */
    { "head_dim 128", 0, 1 },
    { "head_dim 128", 1, 0.86596432336006535 }, /* 10000^(-1/64) */
    { "head_dim 128", 32, 0.01 },
    { "head_dim 128\nrope_theta 500000", 28, .00321144599 },
    { "head_dim 128\nrope_scaling {\"type\": \"linear\", \"factor\": 4}", 32, 0.0025 },
    { "head_dim 128\nrope_theta 500000\nrope_scaling {\"rope_type\": \"llama3\", \"factor\": 8}", 28, .00321144599 },
    { "head_dim 128\nrope_theta 500000\nrope_scaling {\"rope_type\": \"llama3\", \"factor\": 8}", 31, .000856751413 },
    { "head_dim 128\nrope_theta 500000\nrope_scaling {\"rope_type\": \"llama3\", \"factor\": 8}", 34, .000178507813 },
    /* yarn: below dimension 20 as it is, from 46 on a quarter */
    { "head_dim 128\nrope_scaling {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 4096}", 20, 0.056234132519034911 },
    { "head_dim 128\nrope_scaling {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 4096}", 30, .00948851788 },
    { "head_dim 128\nrope_scaling {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 4096}", 46, 0.00033338035805220477 },
    /* the ends of the ramp not rounded: 20.94 and 45.03 */
    { "head_dim 128\nrope_scaling {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 4096, \"truncate\": false}", 30, 0.009574461236755236 },
    /* clang-format on */
};

static void test_frequencies(void)
{
    for (size_t k = 0; k < sizeof given / sizeof given[0]; k++) {
        double f[64];
        wh_model_config c;
        parse(&c, given[k].changes);
        wh_rope_frequencies(&c, NULL, f);
        /* divisors are float32, given values have nine digits */
        CHECK(fabs(f[given[k].i] / given[k].want - 1) < 1e-7, "%s: %d: %.11g, not %.11g",
              given[k].changes, given[k].i, f[given[k].i], given[k].want);
    }
    float divisors[64];
    double f[64];
    wh_model_config c;
    parse(&c, "head_dim 128");
    c.rope.kind = WH_ROPE_TENSOR;
    for (int i = 0; i < 64; i++) divisors[i] = (float)(i + 1);
    wh_rope_frequencies(&c, divisors, f);
    CHECK(fabs(f[32] * 33 / 0.01 - 1) < 1e-14, "divided by a tensor: %.17g", f[32]);
}

static void test_turn(void)
{
    /* 16.2: heads of 4, base 10000, position 3 */
    const float v[4] = { 1, 2, 3, 4 };
    const float halves[4] = { -1.41335252f, 1.87911807f, -2.82885748f, 4.05819114f };
    /* neighbours give these, as pairs; what comes out is in halves */
    const float pairs[4] = { -1.27223251f, 2.8786681f, -1.83886499f, 4.08818664f };
    double f[2];
    float cs[4], sn[4], out[4];
    wh_model_config c;
    parse(&c, "head_dim 4");
    wh_rope_frequencies(&c, NULL, f);
    wh_rope_tables(&c, f, 2, 2, cs, sn);
    for (c.pairs = 0; c.pairs < 2; c.pairs++) {
        wh_rope_turn(&c, cs + 2, sn + 2, v, out);
        for (int i = 0; i < 4; i++)
            CHECK(fabsf(out[i] - (c.pairs ? pairs : halves)[i]) < 1e-6f, "%d, pairs %d: %.9g", i,
                  c.pairs, (double)out[i]);
    }
    parse(&c, "head_dim 4\nrope_scaling {\"type\": \"yarn\", \"factor\": 4}");
    wh_rope_tables(&c, f, 0, 1, cs, sn);
    CHECK(cs[0] == (float)1.1386294361119891 && sn[0] == 0, "yarn's length: %.9g", (double)cs[0]);
}

/* A million positions on, angles are as good as at the start. */
static void test_far(void)
{
    double f[64];
    float cs[64], sn[64];
    wh_model_config c;
    parse(&c, "head_dim 128");
    wh_rope_frequencies(&c, NULL, f);
    wh_rope_tables(&c, f, 1000000, 1, cs, sn);
    for (int i = 0; i < 64; i++) {
        const double angle = 1e6 * pow(10000, -i / 64.0);
        CHECK(fabs((double)cs[i] - cos(angle)) < 1e-7 && fabs((double)sn[i] - sin(angle)) < 1e-7,
              "%d: %.9g", i, (double)cs[i]);
    }
}

int main(void)
{
    test_frequencies();
    test_turn();
    test_far();
    return check_result();
}
