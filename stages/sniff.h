/** @file sniff.h  What bytes are, told by how they begin: names and extensions lie. */
#ifndef PN_STAGES_SNIFF_H
#define PN_STAGES_SNIFF_H

#include <stddef.h>

typedef enum pn_content {
    PN_CONTENT_UNKNOWN,
    PN_CONTENT_JPEG,
    PN_CONTENT_PNG,
    PN_CONTENT_OTHER /**< a format that is known, and not read */
} pn_content;

/** @param name  the format's name (static); may be NULL, set but for PN_CONTENT_UNKNOWN
 */
pn_content pn_sniff(const void *bytes, size_t size, const char **name);

#endif
