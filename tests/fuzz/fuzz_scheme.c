/* tests/fuzz/fuzz_scheme.c - a text: what parses must print, parse again and print the same; what
 * does not must be answered with a text that does.
 * SPDX-License-Identifier: MIT */
#include <whit/scheme.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_round_trip(const whit_scheme *s)
{
    whit_scheme back;
    char text[WHIT_SCHEME_TEXT], again[WHIT_SCHEME_TEXT];
    whit_scheme_print(s, text);
    if (whit_scheme_parse(&back, text, NULL) != WHIT_OK) abort();
    if (back.kind != s->kind || back.bits != s->bits || back.asym != s->asym ||
        back.gran != s->gran || back.group != s->group || back.scale_type != s->scale_type)
        abort();
    if (strcmp(whit_scheme_print(&back, again), text) != 0) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char text[256];
    whit_scheme s;
    whit_error err = { WHIT_OK, "" };
    if (size >= sizeof text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    if (whit_scheme_parse(&s, text, &err) == WHIT_OK) {
        check_round_trip(&s);
        return 0;
    }
    /* The quoted text may hold "; try: " itself: the last one is ours. */
    char *best = NULL;
    for (char *p = strstr(err.msg, "; try: "); p; p = strstr(p + 1, "; try: ")) best = p + 7;
    if (!best || whit_scheme_parse(&s, best, NULL) != WHIT_OK) abort();
    check_round_trip(&s);
    return 0;
}
