/// The chat page (docs/chat-templates.md): one HTML file without outside resources, embedded as it is.
#pragma once

#include <stddef.h>

/// The page's first byte: UTF-8, not terminated. Lives as long as the process.
const char *_Nonnull chat_page_bytes(void);

/// The page's length.
size_t chat_page_byte_count(void);
