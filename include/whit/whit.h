/* include/whit/whit.h - all public headers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_WHIT_H
#define WHIT_WHIT_H

#include <whit/base.h>
#include <whit/block.h>
#include <whit/tensor.h>
#include <whit/scheme.h>
#include <whit/quant.h>
#include <whit/pack.h>
#include <whit/file.h>
#include <whit/source.h>
#include <whit/calib.h>
#include <whit/calibrate.h>
#include <whit/method.h>
#include <whit/job.h>
#include <whit/side.h>
#include <whit/verify.h>
#include <whit/kernel.h>
#include <whit/model.h>
#include <whit/bench.h>
#include <whit/tokenizer.h>
#include <whit/generate.h>
#include <whit/eval.h>

#endif
