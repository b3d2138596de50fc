/*
 * The only file that calls libjpeg. The yardstick is Pillow: the same DCT and upsampling,
 * the same arithmetic for CMYK, the same patience with noise in the data. The end of the
 * file before the end of the image is an error, as there; so is an end-of-image marker
 * with rows of blocks still missing, which Pillow fills with grey.
 */
#include "stages/transform/decode_jpeg.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "penult/image.h"
#include "stages/transform/exif.h"

/* A file of a megabyte can hold thousands of scans over a large image, each as dear as a
 * picture; encoders write about ten. */
#define MAX_SCANS 256
/* Coefficients of a progressive image: no more than the largest picture's pixels take. */
#define MAX_LIBJPEG_BYTES ((long)PN_MAX_IMAGE_PIXELS * 3)
/* Huffman coding spends a bit on every block of 64 pixels at least, of one component in
 * four at the least: what claims more pixels than that has not got them. */
#define MAX_PIXELS_PER_BYTE 2048
#define ROWS_AT_ONCE 16
#define MARKER_EOI 0xD9

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_source_mgr source;
    jmp_buf failed;
    pn_item *item;
    bool has_all_rows; /* from here on a missing end is no loss */
    pn_status status;
} reader;

static reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static pn_reason reason_of(int code)
{
    switch (code) {
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
        return PN_REASON_UNSUPPORTED;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW:
    case JERR_NO_BACKING_STORE:
        return PN_REASON_TOO_LARGE;
    default:
        return PN_REASON_DAMAGED;
    }
}

static void on_error(j_common_ptr jpeg)
{
    reader *r = reader_of(jpeg);
    char text[JMSG_LENGTH_MAX];
    int code = jpeg->err->msg_code;
    if (code == JERR_OUT_OF_MEMORY) {
        r->status = PN_ENOMEM;
    } else if (code == JERR_NO_BACKING_STORE) {
        pn_item_fail(r->item, PN_REASON_TOO_LARGE,
                     "JPEG: coefficients of %ux%u pixels need more than %ld bytes",
                     r->jpeg.image_width, r->jpeg.image_height, MAX_LIBJPEG_BYTES);
    } else {
        jpeg->err->format_message(jpeg, text);
        pn_item_fail(r->item, reason_of(code), "JPEG: %s", text);
    }
    longjmp(r->failed, 1);
}

/* Warnings are noise, unless they say that the picture ends before its last row of
 * blocks. */
static void on_message(j_common_ptr jpeg, int level)
{
    reader *r = reader_of(jpeg);
    if (level >= 0) return;
    jpeg->err->num_warnings++;
    int code = jpeg->err->msg_code;
    bool at_eoi = (code == JWRN_HIT_MARKER && r->jpeg.unread_marker == MARKER_EOI) ||
                  (code == JWRN_MUST_RESYNC && jpeg->err->msg_parm.i[0] == MARKER_EOI);
    if (!at_eoi || r->has_all_rows) return;
    if (r->jpeg.input_iMCU_row + 1 >= r->jpeg.total_iMCU_rows) return;
    pn_item_fail(r->item, PN_REASON_TRUNCATED,
                 "JPEG: end of image in row %u of %u rows of blocks",
                 r->jpeg.input_iMCU_row + 1, r->jpeg.total_iMCU_rows);
    longjmp(r->failed, 1);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg; /* the default prints to stderr */
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = reader_of(jpeg);
    if (r->jpeg.input_scan_number <= MAX_SCANS) return;
    pn_item_fail(r->item, PN_REASON_DAMAGED, "JPEG: more than %d scans", MAX_SCANS);
    longjmp(r->failed, 1);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* Called exactly where Pillow's source would ask for more bytes and find none. */
static boolean source_at_end(j_decompress_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->has_all_rows) return FALSE;
    pn_item_fail(r->item, PN_REASON_TRUNCATED,
                 "JPEG: the file of %zu bytes ends before the image does",
                 r->item->data_size);
    longjmp(r->failed, 1);
}

static void source_skip(j_decompress_ptr jpeg, long n_bytes)
{
    struct jpeg_source_mgr *s = jpeg->src;
    if (n_bytes <= 0) return;
    if ((size_t)n_bytes > s->bytes_in_buffer) {
        (void)source_at_end(jpeg);
        n_bytes = (long)s->bytes_in_buffer;
    }
    s->next_input_byte += n_bytes;
    s->bytes_in_buffer -= (size_t)n_bytes;
}

static void reader_start(reader *r)
{
    jpeg_create_decompress(&r->jpeg);
    /* creating clears the struct, but for err and client_data */
    r->jpeg.mem->max_memory_to_use = MAX_LIBJPEG_BYTES;
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    r->source.next_input_byte = r->item->data;
    r->source.bytes_in_buffer = r->item->data_size;
    r->source.init_source = source_nothing;
    r->source.fill_input_buffer = source_at_end;
    r->source.skip_input_data = source_skip;
    r->source.resync_to_restart = jpeg_resync_to_restart;
    r->source.term_source = source_nothing;
    r->jpeg.src = &r->source;
}

static int find_orientation(const reader *r)
{
    static const char tag[6] = "Exif\0";
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next)
        if (m->data_length >= sizeof(tag) && memcmp(m->data, tag, sizeof(tag)) == 0)
            return pn_exif_orientation(m->data + sizeof(tag),
                                       m->data_length - sizeof(tag));
    return 1;
}

/* Pillow keeps CMYK inverted and makes RGB of it as n - (255-c)*n/255, which is c*n/255
 * rounded, on the values as they are stored. */
static void bgr_of_cmyk(uint8_t *bgr, const uint8_t *cmyk, size_t n_pixels)
{
    for (size_t i = 0; i < n_pixels; i++, bgr += 3, cmyk += 4) {
        unsigned k = cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned t = cmyk[2 - c] * k + 128;
            bgr[c] = (uint8_t)(((t >> 8) + t) >> 8);
        }
    }
}

static void read_rows(reader *r, pn_bitmap *out)
{
    struct jpeg_decompress_struct *j = &r->jpeg;
    size_t stride = (size_t)out->width * 3;
    bool is_cmyk = j->out_color_space == JCS_CMYK;
    JSAMPARRAY line = NULL;
    if (is_cmyk)
        line = j->mem->alloc_sarray((j_common_ptr)j, JPOOL_IMAGE,
                                    (JDIMENSION)out->width * 4, 1);
    while (j->output_scanline < j->output_height) {
        uint8_t *to = out->bgr + stride * j->output_scanline;
        if (is_cmyk) {
            if (jpeg_read_scanlines(j, line, 1) == 1)
                bgr_of_cmyk(to, line[0], (size_t)out->width);
            continue;
        }
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION n = j->output_height - j->output_scanline;
        if (n > ROWS_AT_ONCE) n = ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = to + stride * i;
        (void)jpeg_read_scanlines(j, rows, n); /* our source never suspends */
    }
}

static void decode(reader *r, pn_bitmap *out, int *orientation)
{
    struct jpeg_decompress_struct *j = &r->jpeg;
    if (setjmp(r->failed)) return;
    reader_start(r);
    if (orientation) jpeg_save_markers(j, JPEG_APP0 + 1, 0xFFFF);
    (void)jpeg_read_header(j, TRUE);
    if (orientation) *orientation = find_orientation(r);

    int n = j->num_components;
    if (n != 1 && n != 3 && n != 4) {
        pn_item_fail(r->item, PN_REASON_UNSUPPORTED,
                     "JPEG: %d colour components: only 1, 3 and 4 have a meaning", n);
        return;
    }
    uint64_t pixels = (uint64_t)j->image_width * j->image_height;
    if (!j->arith_code && pixels / MAX_PIXELS_PER_BYTE > r->item->data_size) {
        pn_item_fail(r->item, PN_REASON_TRUNCATED,
                     "JPEG: %zu bytes cannot hold %ux%u pixels", r->item->data_size,
                     j->image_width, j->image_height);
        return;
    }
    r->status = pn_bitmap_prepare(out, r->item, j->image_width, j->image_height);
    if (r->status || r->item->reason) return;
    j->out_color_space = n == 4 ? JCS_CMYK : JCS_EXT_BGR;
    (void)jpeg_start_decompress(j);
    read_rows(r, out);
    /* what follows must be markers up to the end: a stray one is what is left to see of
     * damage inside the data */
    r->has_all_rows = true;
    (void)jpeg_finish_decompress(j);
}

pn_status pn_decode_jpeg(pn_bitmap *out, pn_item *item, int *orientation)
{
    reader r;
    memset(&r, 0, sizeof(r));
    r.item = item;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.jpeg.client_data = &r;
    if (orientation) *orientation = 1;
    decode(&r, out, orientation);
    /* made anew for every image: kept, its Huffman and quantisation tables would serve
     * the next file that lacks its own */
    jpeg_destroy_decompress(&r.jpeg);
    return r.status;
}
