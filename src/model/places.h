/* src/model/places.h - which tensor of a file is what in a model.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_PLACES_H
#define WH_MODEL_PLACES_H

#include <whit/source.h>
#include "model/config.h"
#include "model/names.h"

typedef struct wh_places {
    size_t *at; /* index into the source by role and layer; WHIT_NOT_FOUND */
    size_t count;
} wh_places;

/* Errors: WHIT_ERR_FORMAT (missing, twice, another shape), WHIT_ERR_UNSUPPORTED (a name or type
 * that is not known), WHIT_ERR_NOMEM. Free then, too. */
whit_status wh_places_find(wh_places *p, const wh_model_config *c, const whit_source *source,
                           whit_error *err);
void wh_places_free(wh_places *p); /* all zeros is fine */
size_t *wh_place_of(const wh_places *p, wh_role role, uint32_t layer);

/* Frequencies of rope [head_dim / 2], by the divisors of the file where there are some. Errors:
 * WHIT_ERR_FORMAT, WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_places_rope(const wh_places *p, const wh_model_config *c, const whit_source *source,
                           double *frequencies, whit_error *err);

/* The role of a linear of a layer, WH_LINEAR_.., and of its bias. */
wh_role wh_linear_role(size_t linear);
wh_role wh_linear_bias(size_t linear);

#endif
