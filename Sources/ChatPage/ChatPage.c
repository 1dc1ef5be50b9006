#include "ChatPage.h"

static const unsigned char page[] = {
#embed "page/index.html"
};

const char *chat_page_bytes(void) { return (const char *)page; }

size_t chat_page_byte_count(void) { return sizeof page; }
