/* Scalar arithmetic: bfloat16 as its bits, and exponentials that a compiler turns into vector code. */
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

static inline float of_bits(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline uint32_t bits_of(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }

/* Wide to float and back; bfloat16 rounds to nearest, ties to even, and keeps a NaN one. */
static inline float read_float(float x) { return x; }
static inline float read_bf16(bf16 x) { return of_bits((uint32_t)x << 16); }
static inline float write_float(float x) { return x; }
static inline bf16 write_bf16(float x) {
    uint32_t bits = bits_of(x);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return (bf16)(x != x ? 0x7fc0u : rounded);
}

/* exp, to 2 units in the last place (Cephes' polynomial), its power of two between -126 and ``most``. That is bounded as
   bits: on floats the comparisons that keep a NaN one take longer than the polynomial. What is not finite gives NaN, and
   beyond 10^7, where floats are more than 1 apart, only large and small are told apart. */
static inline float fast_exp_to(float x, int32_t most) {
    const int32_t none = 0x4b400000; /* the bits of 12582912, whose lowest ones count */
    float shifted = x * 1.44269504088896341f + 12582912.0f;
    float power = shifted - 12582912.0f;
    int32_t bits = (int32_t)bits_of(shifted);
    bits = bits < none - 126 ? none - 126 : bits;
    bits = bits > none + most ? none + most : bits;
    float r = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * of_bits((uint32_t)(bits - none + 127) << 23);
}

static inline float fast_exp(float x) { return fast_exp_to(x, 127); }
static inline float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }
static inline float fast_tanh(float x) { return 2.0f / (1.0f + fast_exp(-2.0f * x)) - 1.0f; } /* to 1e-7 absolute */

/* Two sigmoids with one division; below -40 they stay under 1e-17, or their product would be too large. */
static inline void two_sigmoids(float x, float y, float *of_x, float *of_y) {
    float a = 1.0f + fast_exp_to(-x, 57), b = 1.0f + fast_exp_to(-y, 57), inverse = 1.0f / (a * b);
    *of_x = inverse * b;
    *of_y = inverse * a;
}

/* 32 random bits of an index under a seed of two words, the same in any order (two rounds of lowbias32). */
static inline uint32_t random_bits(uint32_t index, uint32_t seed_low, uint32_t seed_high) {
    uint32_t x = index ^ seed_low;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    x = (x ^ (x >> 16)) + seed_high;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}
