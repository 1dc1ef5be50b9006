// Snowball's stemmers (Porter, 2001) by Debian's libstemmer, opened at run time so that a program also runs where it is
// not installed.
#pragma once
#include <stdint.h>

typedef struct snowball_stemmer snowball_stemmer;

/// Why there are no stemmers; NULL where there are.
const char *snowball_missing_reason(void);

/// The names of the languages, the last one NULL; NULL where the library is missing.
const char *const *snowball_languages(void);

/// A stemmer of UTF-8 words; NULL for an unknown language, without memory, and where the library is missing. One thread
/// at a time may use it.
snowball_stemmer *snowball_create(const char *language);

void snowball_destroy(snowball_stemmer *stemmer);

/// The stem of a word of `byte_count` bytes in lower case. It belongs to the stemmer and holds until the next call.
/// NULL without memory.
const uint8_t *snowball_stem(
    snowball_stemmer *stemmer, const uint8_t *word, int32_t byte_count, int32_t *stem_byte_count);
