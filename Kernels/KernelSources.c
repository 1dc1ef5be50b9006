#include "KernelSources.h"
