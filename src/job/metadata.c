/* src/job/metadata.c - a value of typed metadata as text, for inspect's table and JSON.
 *
 * Arrays are only counted: those of a vocabulary have hundreds of thousands of elements.
 * SPDX-License-Identifier: MIT */
#include "job/metadata.h"

#include <inttypes.h>

#include "base/json.h"
#include "io/gguf.h"

static void put_number(wh_buf *b, const whit_kv *kv)
{
    switch (kv->type) {
    case WHIT_KV_U8:
        wh_buf_putf(b, "%" PRIu8, *(const uint8_t *)kv->data);
        break;
    case WHIT_KV_I8:
        wh_buf_putf(b, "%" PRId8, *(const int8_t *)kv->data);
        break;
    case WHIT_KV_U16:
        wh_buf_putf(b, "%" PRIu16, *(const uint16_t *)kv->data);
        break;
    case WHIT_KV_I16:
        wh_buf_putf(b, "%" PRId16, *(const int16_t *)kv->data);
        break;
    case WHIT_KV_U32:
        wh_buf_putf(b, "%" PRIu32, *(const uint32_t *)kv->data);
        break;
    case WHIT_KV_I32:
        wh_buf_putf(b, "%" PRId32, *(const int32_t *)kv->data);
        break;
    case WHIT_KV_U64:
        wh_buf_putf(b, "%" PRIu64, *(const uint64_t *)kv->data);
        break;
    case WHIT_KV_I64:
        wh_buf_putf(b, "%" PRId64, *(const int64_t *)kv->data);
        break;
    case WHIT_KV_F32:
        wh_json_put_double(b, (double)*(const float *)kv->data);
        break;
    case WHIT_KV_F64:
        wh_json_put_double(b, *(const double *)kv->data);
        break;
    case WHIT_KV_BOOL:
        wh_buf_puts(b, *(const uint8_t *)kv->data ? "true" : "false");
        break;
    case WHIT_KV_STRING: /* the callers' */
        break;
    }
}

void wh_metadata_json(wh_buf *b, const whit_kv *kv)
{
    if (kv->is_array)
        wh_buf_putf(b, "{\"type\":\"%s\",\"count\":%" PRIu64 "}", whit_kv_type_name(kv->type),
                    kv->count);
    else if (kv->type == WHIT_KV_STRING)
        wh_json_put_string(b, ((const whit_kv_string *)kv->data)->text);
    else
        put_number(b, kv);
}

void wh_metadata_text(wh_buf *b, const whit_kv *kv)
{
    const whit_kv_string *s = kv->data;
    if (kv->is_array)
        wh_buf_putf(b, "[%" PRIu64 " %s]", kv->count, whit_kv_type_name(kv->type));
    else if (kv->type != WHIT_KV_STRING)
        put_number(b, kv);
    else if (wh_gguf_is_text(s))
        wh_buf_puts(b, s->text);
    else /* a terminal might obey it */
        wh_buf_putf(b, "[%zu octets, not text]", s->len);
}
