/* What pretraining on a CPU does: matrix products, and what lies between them, each in one pass over memory.

   Compiled where it runs, at first use (library.py); arithmetic is float32 whatever the type of the tensors. Pointers are
   to contiguous tensors. Functions return nonzero where memory is out. */
#include <math.h>
#include <stdlib.h>

#include "numbers.h"

typedef struct {
    uint32_t first, second, dropped;
    float scale;
} Drop;

static inline float kept(uint64_t place, Drop drop) {
    uint32_t bits = random_bits((uint32_t)place, drop.first, drop.second + (uint32_t)(place >> 32) * 0x9e3779b9u);
    return bits >= drop.dropped ? drop.scale : 0.0f;
}

/* What one step of a recurrence visits: see recurrent.h. */
typedef struct {
    const int64_t *token, *before;
    int64_t count, sequences, width, room;
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

enum { KERNEL = 5, MARGIN = 2, SUMS = 3 + KERNEL }; /* sums: gamma, beta, bias and the weights of the convolution */

#define T float
#define NAME(name) name##_float
#define READ(x) read_float(x)
#define WRITE(x) write_float(x)
#include "recurrent.h"
#include "tokens.h"
#include "attention.h"
#undef T
#undef NAME
#undef READ
#undef WRITE

#define T bf16
#define NAME(name) name##_bf16
#define READ(x) read_bf16(x)
#define WRITE(x) write_bf16(x)
#include "recurrent.h"
#include "tokens.h"
#include "attention.h"
#undef T
#undef NAME
#undef READ
#undef WRITE

#include "products.h"
#ifdef LANES
#include "layers.h"
#include "contrast.h"
#endif
#include "views.h"
