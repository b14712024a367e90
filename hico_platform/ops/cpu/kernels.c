/* What pretraining on a CPU does: matrix products, and what lies between them, each in one pass over memory.

   Compiled where it runs, at first use (library.py); arithmetic is float32 whatever the type of the tensors. Pointers are
   to contiguous tensors. Functions return nonzero where memory is out. */
#include <math.h>
#include <stdlib.h>

#include "numbers.h"

/* Dropout keeps an element where its random bits, a hash of the seed and its place, reach ``dropped``; so nothing of the
   mask is stored. ``scale`` is 1 over the share that is kept. */
typedef struct {
    uint32_t first, second, dropped;
    float scale;
} Drop;

/* A row of places, which counts from 0 in 32 bits: 64 would halve what a register holds. */
typedef struct {
    uint32_t from, first, second, dropped;
    float scale;
} Dropping;

static inline Dropping dropping(int64_t from, Drop drop) {
    return (Dropping){(uint32_t)from, drop.first, drop.second + (uint32_t)(from >> 32) * 0x9e3779b9u, drop.dropped,
                      drop.scale};
}

static inline float kept(int64_t j, Dropping row) {
    return random_bits(row.from + (uint32_t)j, row.first, row.second) >= row.dropped ? row.scale : 0.0f;
}

/* What one step of a recurrence visits: see recurrent.h. */
typedef struct {
    const int64_t *token, *before;
    int64_t count, sequences, width, room, places;
} Visit;

/* The sequences that are worked on together: ``size`` of them from ``first``. */
typedef struct {
    int64_t first, size;
} Part;

/* Where row r of a part lies: its place among the gates of all tokens, and that of the token before, or -1. */
static inline int64_t place_of(const int64_t *token, const Visit *v, Part part, int64_t d, int64_t r) {
    if (!token) return -1;
    return (token[d * v->count + r / part.size] * v->sequences + part.first + r % part.size) * 2 + d;
}

enum { RUN = 4096 }; /* elements that are dropped as a row where there are no rows */
enum { KERNEL = 5, MARGIN = 2, SUMS = 3 + KERNEL }; /* sums: gamma, beta, bias and the weights of the convolution */

#include "products.h"
#ifdef LANES
#include "heads.h"
#include "parts.h"
#endif

/* T is the type of tensors, Y of what a layer makes: the last one's stays float, for among bfloat16 a maximum over tokens
   has many equals. */
#define T float
#define NAME(name) name##_float
#define READ(x) read_float(x)
#define WRITE(x) write_float(x)
#include "norm.h"
#define Y float
#define NAME_Y(name) name##_float
#define READ_Y(x) read_float(x)
#define WRITE_Y(x) write_float(x)
#include "add_norm.h"
#include "cells.h"
#include "recurrent.h"
#include "embedding.h"
#include "tokens.h"
#include "transformer.h"
#ifdef LANES
#include "attention.h"
#endif
#undef T
#undef NAME
#undef READ
#undef WRITE

#define T bf16
#define NAME(name) name##_bf16
#define READ(x) read_bf16(x)
#define WRITE(x) write_bf16(x)
#include "norm.h"
#define Y bf16
#define NAME_Y(name) name##_bf16
#define READ_Y(x) read_bf16(x)
#define WRITE_Y(x) write_bf16(x)
#include "add_norm.h"
#define Y float
#define NAME_Y(name) name##_bf16_to_float
#define READ_Y(x) read_float(x)
#define WRITE_Y(x) write_float(x)
#include "add_norm.h"
#include "cells.h"
#include "recurrent.h"
#include "embedding.h"
#include "tokens.h"
#include "transformer.h"
#ifdef LANES
#include "attention.h"
#endif
#undef NAME
#undef T
#undef READ
#undef WRITE

#ifdef LANES
#include "layers.h"
#include "gradients.h"
#include "contrast.h"
#endif
#include "views.h"
