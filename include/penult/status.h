/** @file status.h  What a call can return, and the text that tells a person why. */
#ifndef PENULT_STATUS_H
#define PENULT_STATUS_H

#define PN_MUST_CHECK __attribute__((warn_unused_result))
#define PN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum pn_status {
    PN_OK = 0,
    PN_AGAIN,  /**< a state: wants more input before it makes any output */
    PN_END,    /**< a state: nothing more will come */
    PN_EINVAL, /**< the caller's argument breaks the contract, or a flag makes no sense */
    PN_ENOMEM,
    PN_ENOENT,       /**< a file that was named is not there or may not be read */
    PN_EFORMAT,      /**< bytes from outside are damaged, or lie */
    PN_EUNSUPPORTED, /**< well-formed, but we have no code for it */
    PN_ECONFIG,      /**< a config or preprocessing record breaks a rule */
    PN_EEXIST,       /**< the output is there already */
    PN_EMISMATCH, /**< two inputs that belong together do not fit, e.g. labels and outputs
                   */
    PN_EIO,       /**< the operating system refused a read or a write */
    PN_EFULL,     /**< no room left on the device: free some and run again */
    PN_ESTOPPED,  /**< stopped early on request; what was done is kept */
    PN_EINTERNAL, /**< a bug of ours */
} pn_status;

/**
 * The first failure of a call, for a person. Zero-initialise it (`pn_err err = {0};`),
 * clear it with pn_err_clear(). A NULL `pn_err *` is allowed wherever one is asked for.
 */
typedef struct pn_err {
    pn_status status;
    char *text; /**< owned; NULL while nothing failed; any length, UTF-8, no newline at
                   the end */
} pn_err;

/**
 * Note a failure: what failed, on what, which rule was broken. An err that already holds
 * a failure keeps it (the first one wins).
 * @return st, so that `return pn_fail(err, PN_EFORMAT, ...)` reads well
 */
pn_status pn_fail(pn_err *err, pn_status st, const char *fmt, ...) PN_PRINTF(3, 4);

/** Put "PREFIX: " before the text that is there; for a caller that knows which file it
 * was. */
void pn_err_prefix(pn_err *err, const char *fmt, ...) PN_PRINTF(2, 3);

/** Free the text and start afresh; err may be NULL. */
void pn_err_clear(pn_err *err);

/** The text, or a generic one for the status; never NULL; valid until err is cleared. */
const char *pn_err_text(const pn_err *err);

/** A short English name of a status ("out of memory"); static. */
const char *pn_status_name(pn_status st);

#endif
