// What ops of attention ask for.
#pragma once
#include "../runtime/scratch.h"
#include "context.h"

/// Scratch of paged and varlen attention.
scratch_sizes attention_scratch(const cpuk_limits *limits);
