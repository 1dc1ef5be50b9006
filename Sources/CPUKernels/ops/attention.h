// The scratch memory of attention.
#pragma once
#include "../runtime/scratch.h"
#include "context.h"

/// The scratch sizes of paged and varlen attention.
scratch_sizes attention_scratch(const cpuk_limits *limits);
