/* src/job/rule.c - one rule: a glob and the scheme of the tensors it matches.
 *
 * Rules of the command and of recipes are the same thing, and every one of them can stand in the
 * recipe that an output carries; so what no line can hold is refused wherever it comes from.
 *
 * SPDX-License-Identifier: MIT */
#include "job/rule.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/mix.h"

/* A recipe holds one rule a line, the scheme behind the last blank, '#' before comments. */
static const char *bad_glob(const char *glob)
{
    size_t len = strlen(glob);
    if (len == 0) return "the glob is empty";
    if (glob[0] == '#') return "a glob cannot begin with '#'; try: [#]";
    if (glob[0] == ' ' || glob[len - 1] == ' ')
        return "a glob cannot begin or end with a space; try: [ ]";
    if (strstr(glob, " #"))
        return "a comment needs a line of its own, and a glob cannot hold ' #'; try: [#]";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)glob[i] < 0x20 || glob[i] == 0x7f) return "a control character";
    return NULL;
}

whit_status wh_rule_make(wh_rule *out, const char *glob, size_t len, const char *scheme,
                         whit_error *err)
{
    *out = (wh_rule){ .text = wh_strndup(glob, len) };
    if (!out->text) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the rules");
    const char *bad = bad_glob(out->text);
    if (bad) return wh_fail(err, WHIT_ERR_ARG, "%s", bad);
    whit_status st = wh_glob_parse(&out->glob, out->text, err);
    if (st == WHIT_OK && wh_mix_parse(scheme))
        return wh_fail(err, WHIT_ERR_ARG,
                       "'%s' is a mix, which is about whole models; try: --scheme %s",
                       wh_mix_name(wh_mix_parse(scheme)), wh_mix_name(wh_mix_parse(scheme)));
    return st == WHIT_OK ? whit_scheme_parse(&out->scheme, scheme, err) : st;
}

void wh_rule_free(wh_rule *rule)
{
    wh_glob_free(rule->glob);
    free(rule->text);
    *rule = (wh_rule){ 0 };
}
