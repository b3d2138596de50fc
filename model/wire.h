/** @file wire.h  Protobuf's wire format: a reader that never leaves its bytes, a writer.
 */
#ifndef PN_MODEL_WIRE_H
#define PN_MODEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/status.h"

#define PN_WIRE_MAX_DEPTH 64

typedef enum pn_wire_type {
    PN_WIRE_VARINT = 0,
    PN_WIRE_FIXED64 = 1,
    PN_WIRE_BYTES = 2,
    PN_WIRE_FIXED32 = 5,
} pn_wire_type;

/** A stretch of bytes; borrowed from the file. */
typedef struct pn_bytes {
    const unsigned char *at;
    size_t size;
} pn_bytes;

/** One message being read. */
typedef struct pn_wire {
    const unsigned char *file; /**< where places in messages are counted from */
    const unsigned char *at, *end;
    int depth;
} pn_wire;

typedef struct pn_wire_field {
    uint32_t number;
    pn_wire_type type;
    uint64_t value; /**< of VARINT, FIXED32, FIXED64 */
    pn_bytes bytes; /**< of BYTES */
    size_t place;   /**< of its tag: bytes from the file's beginning */
} pn_wire_field;

void pn_wire_init(pn_wire *w, const void *file, size_t size);
/** The next field. @return PN_OK, PN_END, PN_EFORMAT with the place */
PN_MUST_CHECK pn_status pn_wire_next(pn_wire *w, pn_wire_field *f, pn_err *err);
/** Read the message in field f of w. @return PN_EFORMAT if it is none, or too deep */
PN_MUST_CHECK pn_status pn_wire_enter(pn_wire *inner, const pn_wire *w,
                                      const pn_wire_field *f, const char *what,
                                      pn_err *err);
/** PN_EFORMAT unless the field has that type; what: its name in messages. */
PN_MUST_CHECK pn_status pn_wire_expect(const pn_wire_field *f, pn_wire_type type,
                                       const char *what, pn_err *err);
/** A varint field as a signed number. */
PN_MUST_CHECK pn_status pn_wire_int(const pn_wire_field *f, const char *what,
                                    int64_t *out, pn_err *err);
/** UTF-8 without NUL. @return PN_EFORMAT */
PN_MUST_CHECK pn_status pn_wire_text(const pn_wire_field *f, const char *what,
                                     pn_bytes *out, pn_err *err);

/** Numbers of a repeated field, packed or not: `f` is one occurrence of it. Start with
 * *at 0 and call until it says PN_END. element: VARINT, FIXED32 or FIXED64. */
PN_MUST_CHECK pn_status pn_wire_each(const pn_wire_field *f, pn_wire_type element,
                                     const char *what, size_t *at, uint64_t *out,
                                     pn_err *err);

/** A message under construction. */
typedef struct pn_wire_out {
    unsigned char *bytes; /**< malloc'd */
    size_t size, capacity;
    bool failed; /**< out of memory somewhere: checked once, at the end */
} pn_wire_out;

void pn_wire_out_fini(pn_wire_out *w);
void pn_wire_put_tag(pn_wire_out *w, uint32_t number, pn_wire_type type);
void pn_wire_put_varint(pn_wire_out *w, uint64_t v);
void pn_wire_put_raw(pn_wire_out *w, const void *bytes, size_t size);
void pn_wire_put_int(pn_wire_out *w, uint32_t number, int64_t v);
void pn_wire_put_float(pn_wire_out *w, uint32_t number, float v);
void pn_wire_put_bytes(pn_wire_out *w, uint32_t number, const void *bytes, size_t size);
void pn_wire_put_text(pn_wire_out *w, uint32_t number, const char *text);
/** The content of `inner` as field `number`; inner is emptied for the next. */
void pn_wire_put_message(pn_wire_out *w, uint32_t number, pn_wire_out *inner);

#endif
