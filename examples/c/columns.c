/* im2col and col2im in C.
 *
 * Build: cc -shared -fPIC -O2 -o columns.so columns.c
 * Judge: convgate gate --subject lib:columns.so */
#include "convgate.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t n, c, h, w, oh, ow;
    const convgate_options *o;
} plan;

static int make_plan(plan *p, const int64_t shape[4], const convgate_options *o) {
    *p = (plan){shape[0], shape[1], shape[2], shape[3], 0, 0, o};
    for (int axis = 0; axis < 2; axis++) {
        if (o->kernel_size[axis] < 1 || o->stride[axis] < 1 || o->padding[axis] < 0 || o->dilation[axis] < 1) return 0;
    }
    if (p->n < 0 || p->c < 1 || p->h < 1 || p->w < 1) return 0;
    int64_t down = p->h + 2 * o->padding[0] - o->dilation[0] * (o->kernel_size[0] - 1) - 1;
    int64_t across = p->w + 2 * o->padding[1] - o->dilation[1] * (o->kernel_size[1] - 1) - 1;
    if (down < 0 || across < 0) return 0;
    p->oh = down / o->stride[0] + 1;
    p->ow = across / o->stride[1] + 1;
    return 1;
}

/* Where the columns' entry lies in the image, or -1 if that is padding; the columns have a row for each channel and tap
 * and a column for each place, images fastest. */
static int64_t place(const plan *p, int64_t row, int64_t column) {
    int64_t kw = p->o->kernel_size[1], taps = p->o->kernel_size[0] * kw;
    int64_t channel = row / taps, i = row % taps / kw, j = row % kw;
    int64_t image = column % p->n, y = column / p->n / p->ow, x = column / p->n % p->ow;
    int64_t at_y = y * p->o->stride[0] - p->o->padding[0] + i * p->o->dilation[0];
    int64_t at_x = x * p->o->stride[1] - p->o->padding[1] + j * p->o->dilation[1];
    if (at_y < 0 || at_y >= p->h || at_x < 0 || at_x >= p->w) return -1;
    return ((image * p->c + channel) * p->h + at_y) * p->w + at_x;
}

static int columns(const char *function, const convgate_array *in, const convgate_options *o, convgate_array *out) {
    int back = strcmp(function, "col2im") == 0;
    plan p;
    if (!back && in->ndim != 4) return CONVGATE_INVALID;
    if (!make_plan(&p, back ? o->input_shape : in->shape, o)) return CONVGATE_INVALID;
    int64_t rows = p.c * o->kernel_size[0] * o->kernel_size[1], count = p.oh * p.ow * p.n;
    if (back && (in->ndim != 2 || in->shape[0] != rows || in->shape[1] != count)) return CONVGATE_INVALID;
    size_t size = in->dtype == CONVGATE_FLOAT32 ? sizeof(float) : sizeof(double);
    int64_t entries = back ? p.n * p.c * p.h * p.w : rows * count;
    *out = (convgate_array){calloc(entries > 0 ? entries : 1, size), in->dtype, back ? 4 : 2, {0}};
    if (back) memcpy(out->shape, o->input_shape, 4 * sizeof(int64_t));
    else { out->shape[0] = rows; out->shape[1] = count; }
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < count; column++) {
            int64_t pixel = place(&p, row, column), entry = row * count + column;
            if (pixel < 0) continue;
            /* im2col copies: adding to zero would lose the sign of a zero */
            if (!back) memcpy((char *)out->data + entry * size, (const char *)in->data + pixel * size, size);
            else if (in->dtype == CONVGATE_FLOAT32) ((float *)out->data)[pixel] += ((const float *)in->data)[entry];
            else ((double *)out->data)[pixel] += ((const double *)in->data)[entry];
        }
    }
    return CONVGATE_OK;
}

const char *convgate_functions(void) { return "im2col,col2im"; }

int convgate_call(const char *function, const convgate_array *inputs, int inputs_count, const convgate_options *options,
                  convgate_array *outputs, int outputs_count) {
    (void)inputs_count;
    (void)outputs_count;
    return columns(function, inputs, options, outputs);
}

void convgate_free(void *data) { free(data); }
