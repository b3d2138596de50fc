/**
 * @file config.h  A run as its user wrote it down: read once, checked once, then
 * read-only.
 *
 * Which keys `input` and `output` take hangs on their `kind`: the stage's own table of
 * fields joins the ones here.
 */
#ifndef PN_PIPELINE_CONFIG_H
#define PN_PIPELINE_CONFIG_H

#include <stdint.h>

#include "base/fields.h"
#include "penult/model.h"
#include "penult/stage.h"

/** Bytes of an image file or record unless input.max_file_bytes says otherwise; digits,
 * as the config's table wants its text. */
#define PN_USUAL_FILE_BYTES 67108864

typedef struct pn_config {
    struct {
        char *path;       /**< absolute, as all paths here */
        char *features;   /**< value name; "": the model's own, "none": none */
        char *preprocess; /**< a record's YAML file; NULL: the model's own */
        char *labels;     /**< a synset file; NULL: the model's own */
        int64_t top_k;    /**< classes kept for an image */
        int scores;       /**< pn_scores_choice */
    } model;
    struct {
        char *kind;
        int64_t in_flight, max_file_bytes;
    } input;
    struct {
        char *kind;
    } output;
    struct {
        bool exact; /**< as in pn_model_opts */
    } engine;
    struct {
        int64_t threads; /**< 0: auto */
        int64_t batch;   /**< 0: auto */
        pn_limit max_failures;
        int cpu; /**< a pn_cpu */
    } run;
    const pn_source_ops *source;
    void *source_opts; /**< filled by source->info.fields; owned */
    const pn_sink_ops *sink;
    void *sink_opts; /**< filled by sink->info.fields; owned */
} pn_config;

/** What turns the model's first output into probabilities. */
typedef enum pn_scores_choice {
    PN_SCORES_MODEL, /**< what the model's metadata says */
    PN_SCORES_SOFTMAX,
    PN_SCORES_AS_IS,
} pn_scores_choice;

/**
 * Read a config. `sets` are "section.key=value", later ones win, and any wins over the
 * file; relative paths in them are relative to the working directory, those in the file
 * to its folder.
 * @return PN_ENOENT (no such file), PN_ECONFIG naming file, line and column, PN_EINVAL
 * for a set that is not KEY=VALUE, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_config_read(pn_config **out, const char *path,
                                       const char *const *sets, int n_sets, pn_err *err);
/** The same from a text; `folder` is what its relative paths are relative to. */
PN_MUST_CHECK pn_status pn_config_parse(pn_config **out, const char *text, size_t size,
                                        const char *name, const char *folder,
                                        const char *const *sets, int n_sets, pn_err *err);
void pn_config_free(pn_config **c);

/** Everything with its defaults as YAML that reads back the same; malloc'd. */
PN_MUST_CHECK pn_status pn_config_print(const pn_config *c, char **yaml);
/** The same as one JSON object of objects; malloc'd. */
PN_MUST_CHECK pn_status pn_config_print_json(const pn_config *c, char **json);

/** A value of the stages' own fields by key, for the few that concern the whole run;
 * NULL if the stage has no such field or the path was not given. */
const char *pn_config_input_path(const pn_config *c);
const char *pn_config_output_path(const pn_config *c);

#define PN_CONFIG_SECTIONS 7
/** The sections a config is made of, for printing; sections of one name follow each
 * other. @return how many */
int pn_config_sections(const pn_config *c, pn_section out[PN_CONFIG_SECTIONS]);

#endif
