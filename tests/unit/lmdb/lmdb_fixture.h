/** @file lmdb_fixture.h  A folder for the test, results of known content, the stages
 * driven by hand. */
#ifndef PN_TESTS_LMDB_FIXTURE_H
#define PN_TESTS_LMDB_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/stage.h"
#include "stages/sink/write_lmdb.h"

/** A fresh folder below $TMPDIR or /tmp; the text is malloc'd. Aborts on failure. */
char *pn_test_folder(void);
/** Remove it with all that is in it, and free the text. */
void pn_test_folder_remove(char **folder);
/** "FOLDER/NAME", in one of a few static buffers used in turn. */
const char *pn_test_path(const char *folder, const char *name);
bool pn_test_exists(const char *path);
void pn_test_write_file(const char *path, const void *data, size_t size);
/** Files and folders in it, but not . and .. */
int pn_test_count_entries(const char *folder);

/** A stage opened and started as the runner would. */
typedef struct pn_test_sink {
    void *shared, *state;
} pn_test_sink;

pn_status pn_test_sink_start(pn_test_sink *s, const pn_write_lmdb_opts *opts,
                             pn_err *err);
/** stop() and close(), and frees; also after a failed start. */
void pn_test_sink_stop(pn_test_sink *s);

/** A batch for `capacity` items with 5 classes and n_features. Aborts on failure. */
pn_batch *pn_test_batch(int capacity, size_t n_features);
/**
 * Append image number i: its key is `key`, its features are i + j / 1024 (exact in
 * float32 and, for i below 2 and few features, in float16), its top is classes 0..4 of
 * probability 1/2, 1/4, ..., its only label is i. Every 7th (i % 7 == 3) has failed:
 * "damaged", "image I is broken".
 */
void pn_test_add(pn_batch *b, int i, const void *key, size_t key_size);
/** Push n images, first..first + n - 1, keys "image-%08d", and count them. */
pn_status pn_test_push(pn_test_sink *s, pn_batch *b, int first, int n, pn_counts *counts,
                       pn_err *err);
/** A whole complete result of n images with n_features each. */
pn_status pn_test_make_result(const pn_write_lmdb_opts *opts, int n, size_t n_features,
                              pn_err *err);
/** Read back n images that pn_test_push() pushed, every byte compared. Aborts the test by
 * cmocka on a difference. */
void pn_test_check_result(const char *path, int n, size_t n_features, bool is_complete);

#endif
