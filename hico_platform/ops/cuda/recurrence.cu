// A bidirectional GRU's or LSTM's layer in float32 on GPUs that have clusters: every step by one kernel.
//
// A cluster of eight blocks takes 64 sequences of a granularity in one direction from the first step to the last. A
// block has an eighth of the units; the recurrent weights of its gates stay in its shared memory. After each step the
// blocks exchange what the others need through the L2 cache: forwards their states, backwards their parts of the
// gradient of all states, which are added in the blocks' order.
//
// Compiled for WIDTH units a direction (a multiple of 64), GATES a unit (3: GRU, 4: LSTM) and TERMS of a product: 1 of
// TensorFloat-32, or the 3 that are as exact as float32. Row (p * count + n) * 2 + d is token p of sequence n in
// direction d; gates lie in PyTorch's order.

constexpr int BLOCKS = 8, ROWS = 64, UNITS = WIDTH / BLOCKS, MINE = GATES * UNITS, THREADS = WIDTH;
constexpr int GROUPS = WIDTH / 64;         // of warps; two have the same units, each for half of the rows
constexpr int STATES = WIDTH + 4, MOVED = MINE + 4;  // a row in shared memory; four apart, rows begin in other banks
constexpr int PARTS = 4, PART = WIDTH / PARTS;       // states are fetched in parts while the first are multiplied

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }
__device__ __forceinline__ float tangent(float x) { return 2.0f / (1.0f + __expf(-2.0f * x)) - 1.0f; }

// A float32 as TensorFloat-32, whose multiplication ignores the last 13 bits, and what that leaves.
struct Split {
    unsigned high, low;
    __device__ __forceinline__ Split(float x) {
        if (TERMS == 1) {
            asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(high) : "f"(x));  // what is no number stays so
            low = 0u;
        } else {
            high = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
            low = __float_as_uint(x - __uint_as_float(high));  // no number either if x is none
        }
    }
};

__device__ __forceinline__ void multiply(float* sum, unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                                         unsigned b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// sums (two tiles of 16 rows, TILES of 8 columns) += eight terms: `left` are this warp's rows, `right` the tiles' weights
// in the order in which lanes read them, `apart` from one tile to the next.
template <int TILES>
__device__ __forceinline__ void add_products(float (&sums)[2][TILES][4], const float* left, int stride,
                                             const float2* right) {
    Split a[2][4] = {{left[0], left[8 * stride], left[4], left[8 * stride + 4]},
                     {left[16 * stride], left[24 * stride], left[16 * stride + 4], left[24 * stride + 4]}};
#pragma unroll
    for (int tile = 0; tile < TILES; ++tile) {
        float2 both = right[tile * 32];
        Split b[2] = {both.x, both.y};
#pragma unroll
        for (int m = 0; m < 2; ++m) {
            float sum[4] = {};  // tensor cores cut off what they add: these few are added up as float32
            if (TERMS == 3) {
                multiply(sum, a[m][0].low, a[m][1].low, a[m][2].low, a[m][3].low, b[0].high, b[1].high);
                multiply(sum, a[m][0].high, a[m][1].high, a[m][2].high, a[m][3].high, b[0].low, b[1].low);
            }
            multiply(sum, a[m][0].high, a[m][1].high, a[m][2].high, a[m][3].high, b[0].high, b[1].high);
#pragma unroll
            for (int i = 0; i < 4; ++i) sums[m][tile][i] += sum[i];
        }
    }
}

__device__ __forceinline__ void arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
__device__ __forceinline__ void wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

__device__ __forceinline__ void fetch(float* to, const float* from) {
    unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place), "l"(from) : "memory");
}

template <int LEFT>
__device__ __forceinline__ void fetched() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
    __syncthreads();
}

// Which sequences of which granularity, in which direction, and which units.
struct Place {
    int rank, d, sequence, begin, length;
    size_t count;
    __device__ __forceinline__ Place(const int* first, int count_) : count(count_) {
        int cluster = blockIdx.x / BLOCKS, blocks = (count_ + ROWS - 1) / ROWS;
        rank = blockIdx.x % BLOCKS;
        d = cluster % 2;
        sequence = cluster / 2 % blocks * ROWS;
        begin = first[cluster / 2 / blocks];  // the longest granularity's clusters come first
        length = first[cluster / 2 / blocks + 1] - begin;
    }
    // Of a sequence, counted from this cluster's first, at a step forwards; past the last sequence the last one's.
    __device__ __forceinline__ size_t row(int step, int r) const {
        size_t token = begin + (d == 0 ? step : length - 1 - step), n = sequence + r;
        return (token * count + (n < count ? n : count - 1)) * 2 + d;
    }
    __device__ __forceinline__ bool there(int r) const { return sequence + r < count; }
};

// given: gates' products with tokens; weight (2, GATES * H, H); bias (2, GATES * H); bias_inner (2, H), a GRU's
// candidate's inside the reset gate. kept becomes an LSTM's cells, a GRU's candidates' products with states; before the
// state before each token.
extern "C" __global__ void __cluster_dims__(BLOCKS, 1, 1) __launch_bounds__(THREADS, 1)
    forward(const float* given, const float* weight, const float* bias, const float* bias_inner, const int* first,
            float* gates, float* kept, float* out, float* before, int count, int saves) {
    extern __shared__ float4 memory[];
    float* weights = reinterpret_cast<float*>(memory);
    float* states = weights + MINE * WIDTH;
    const Place at(first, count);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp % GROUPS;
    const int top = warp / GROUPS * 32 + lane / 4, unit = at.rank * UNITS + group * 8 + lane % 4 * 2;

    for (int i = threadIdx.x; i < MINE * WIDTH; i += THREADS) {
        int half = i % 2, to = i / 2 % 32, gate = i / 64 % GATES, whose = i / 64 / GATES % GROUPS;
        int k = i / 64 / GATES / GROUPS * 8 + to % 4 + 4 * half, j = at.rank * UNITS + whose * 8 + to / 4;
        weights[i] = weight[((size_t)(at.d * GATES + gate) * WIDTH + j) * WIDTH + k];
    }
    float2 biases[GATES], inner = make_float2(0.0f, 0.0f);
#pragma unroll
    for (int gate = 0; gate < GATES; ++gate) biases[gate] = *(const float2*)(bias + (at.d * GATES + gate) * WIDTH + unit);
    if (GATES == 3) inner = *(const float2*)(bias_inner + at.d * WIDTH + unit);
    float carried[2][4] = {};  // an LSTM's cells, a GRU's states: of rows top + 16 m and 8 below, two units
#pragma unroll
    for (int q = 0; q < 4; ++q)
        if (at.there(top + 8 * q)) *(float2*)(before + at.row(0, top + 8 * q) * WIDTH + unit) = make_float2(0.0f, 0.0f);
    __syncthreads();

    for (int step = 0; step < at.length; ++step) {
        float sums[2][GATES][4], own[2][4];  // own: what of a GRU's candidate the reset gate doesn't touch
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            const float* x = given + at.row(step, top + 8 * q) * (GATES * WIDTH) + unit;
#pragma unroll
            for (int gate = 0; gate < GATES; ++gate) {
                float2 both = *(const float2*)(x + gate * WIDTH);
                both.x += biases[gate].x, both.y += biases[gate].y;
                if (GATES == 3 && gate == 2) {
                    own[q / 2][q % 2 * 2] = both.x, own[q / 2][q % 2 * 2 + 1] = both.y;
                    both = inner;
                }
                sums[q / 2][gate][q % 2 * 2] = both.x, sums[q / 2][gate][q % 2 * 2 + 1] = both.y;
            }
        }
        if (step > 0) {
            wait();
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                for (int i = threadIdx.x; i < ROWS * PART / 4; i += THREADS) {
                    int r = i / (PART / 4), k = part * PART + i % (PART / 4) * 4;
                    fetch(states + r * STATES + k, before + at.row(step, r) * WIDTH + k);
                }
                asm volatile("cp.async.commit_group;" ::: "memory");
            }
            const float* left = states + top * STATES + lane % 4;
            const float2* right = reinterpret_cast<const float2*>(weights) + group * GATES * 32 + lane;
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                if (part == 0) fetched<3>();
                if (part == 1) fetched<2>();
                if (part == 2) fetched<1>();
                if (part == 3) fetched<0>();
#pragma unroll 2
                for (int deep = part * PART / 8; deep < (part + 1) * PART / 8; ++deep)
                    add_products<GATES>(sums, left + deep * 8, STATES, right + deep * (GROUPS * GATES * 32));
            }
        }
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            float made[GATES][2], value[2], keep[2];
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const int m = q / 2, i = q % 2 * 2 + e;
                if (GATES == 4) {
                    made[0][e] = sigmoid(sums[m][0][i]);
                    made[1][e] = sigmoid(sums[m][1][i]);
                    made[2][e] = tangent(sums[m][2][i]);
                    made[GATES - 1][e] = sigmoid(sums[m][GATES - 1][i]);
                    keep[e] = carried[m][i] = made[0][e] * made[2][e] + made[1][e] * carried[m][i];
                    value[e] = made[GATES - 1][e] * tangent(keep[e]);
                } else {
                    made[0][e] = sigmoid(sums[m][0][i]);
                    made[1][e] = sigmoid(sums[m][1][i]);
                    keep[e] = sums[m][2][i];
                    made[2][e] = tangent(own[m][i] + made[0][e] * keep[e]);
                    value[e] = carried[m][i] = made[2][e] + made[1][e] * (carried[m][i] - made[2][e]);
                }
            }
            if (!at.there(top + 8 * q)) continue;
            size_t row = at.row(step, top + 8 * q);
            if (step + 1 < at.length)
                *(float2*)(before + at.row(step + 1, top + 8 * q) * WIDTH + unit) = make_float2(value[0], value[1]);
            *(float2*)(out + row * WIDTH + unit) = make_float2(value[0], value[1]);
            if (saves) {
#pragma unroll
                for (int gate = 0; gate < GATES; ++gate)
                    *(float2*)(gates + (row * GATES + gate) * WIDTH + unit) = make_float2(made[gate][0], made[gate][1]);
                *(float2*)(kept + row * WIDTH + unit) = make_float2(keep[0], keep[1]);
            }
        }
        if (step + 1 < at.length) arrive();
    }
}

struct Eight {
    float x[8];
    __device__ __forceinline__ void read(const float* from) {
        *(float4*)x = __ldcg((const float4*)from), *(float4*)(x + 4) = __ldcg((const float4*)(from + 4));
    }
    __device__ __forceinline__ void write(float* to) const {
        *(float4*)to = *(const float4*)x, *(float4*)(to + 4) = *(const float4*)(x + 4);
    }
};

// given: the states' gradient; kept as forward() left it; state: a GRU's. moved becomes the gates' gradient, as tokens
// see it; behind a GRU's as states see it; parts are (clusters, 2, BLOCKS to, BLOCKS from, ROWS, UNITS).
extern "C" __global__ void __cluster_dims__(BLOCKS, 1, 1) __launch_bounds__(THREADS, 1)
    backward(const float* given, const float* weight, const int* first, const float* gates, const float* kept,
             const float* state, float* moved, float* behind, float* parts, int count) {
    extern __shared__ float4 memory[];
    float* weights = reinterpret_cast<float*>(memory);
    float* lefts = weights + MINE * WIDTH;
    const Place at(first, count);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp % GROUPS, top = warp / GROUPS * 32 + lane / 4;
    const int r = threadIdx.x / (UNITS / 8), within = threadIdx.x % (UNITS / 8) * 8, unit = at.rank * UNITS + within;
    parts += (size_t)(blockIdx.x / BLOCKS) * (2 * BLOCKS * BLOCKS * ROWS * UNITS);

    for (int i = threadIdx.x; i < MINE * WIDTH; i += THREADS) {
        int half = i % 2, to = i / 2 % 32, column = i / 64 % (WIDTH / 8) * 8 + to / 4;
        int k = i / 64 / (WIDTH / 8) * 8 + to % 4 + 4 * half;
        weights[i] =
            weight[((size_t)(at.d * GATES + k / UNITS) * WIDTH + at.rank * UNITS + k % UNITS) * WIDTH + column];
    }
    float carried[8] = {};  // an LSTM's cells' gradient, of a GRU's state's what its update gate lets pass
    for (int step = at.length - 1; step >= 0; --step) {
        const size_t row = at.row(step, r);
        Eight made[GATES], keep, old, arriving;
#pragma unroll
        for (int gate = 0; gate < GATES; ++gate) made[gate].read(gates + (row * GATES + gate) * WIDTH + unit);
        keep.read(kept + row * WIDTH + unit);
        arriving.read(given + row * WIDTH + unit);
        old = {};
        if (step > 0) old.read((GATES == 4 ? kept : state) + at.row(step - 1, r) * WIDTH + unit);
        if (step + 1 < at.length) {
            wait();
            const float* from = parts + ((step + 1) % 2 * BLOCKS + at.rank) * (BLOCKS * ROWS * UNITS) + r * UNITS + within;
            Eight part[BLOCKS];
#pragma unroll
            for (int block = 0; block < BLOCKS; ++block) part[block].read(from + block * (ROWS * UNITS));
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                float sum = part[0].x[i];
#pragma unroll
                for (int block = 1; block < BLOCKS; ++block) sum += part[block].x[i];
                arriving.x[i] += sum;
            }
        }
        Eight inside;  // of a GRU's candidate, as states see it
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            if (GATES == 4) {
                const float enter = made[0].x[i], forget = made[1].x[i], candidate = made[2].x[i];
                const float leave = made[GATES - 1].x[i], bent = tangent(keep.x[i]);
                carried[i] += arriving.x[i] * leave * (1.0f - bent * bent);
                made[0].x[i] = carried[i] * candidate * enter * (1.0f - enter);
                made[1].x[i] = carried[i] * old.x[i] * forget * (1.0f - forget);
                made[2].x[i] = carried[i] * enter * (1.0f - candidate * candidate);
                made[GATES - 1].x[i] = arriving.x[i] * bent * leave * (1.0f - leave);
                carried[i] *= forget;
            } else {
                const float reset = made[0].x[i], update = made[1].x[i], candidate = made[2].x[i];
                const float all = arriving.x[i] + carried[i];
                carried[i] = all * update;
                made[1].x[i] = all * (old.x[i] - candidate) * update * (1.0f - update);
                made[2].x[i] = (all - carried[i]) * (1.0f - candidate * candidate);
                made[0].x[i] = made[2].x[i] * keep.x[i] * reset * (1.0f - reset);
                inside.x[i] = made[2].x[i] * reset;
            }
        }
#pragma unroll
        for (int gate = 0; gate < GATES; ++gate) {
            const Eight& seen = GATES == 3 && gate == 2 ? inside : made[gate];
            seen.write(lefts + r * MOVED + gate * UNITS + within);
            if (!at.there(r)) continue;
            made[gate].write(moved + (row * GATES + gate) * WIDTH + unit);
            if (GATES == 3) seen.write(behind + (row * GATES + gate) * WIDTH + unit);
        }
        __syncthreads();
        if (step == 0) break;
        float sums[2][8][4] = {};
        const float* left = lefts + top * MOVED + lane % 4;
        const float2* right = reinterpret_cast<const float2*>(weights) + group * 8 * 32 + lane;
#pragma unroll 2
        for (int deep = 0; deep < MINE / 8; ++deep)
            add_products<8>(sums, left + deep * 8, MOVED, right + deep * (WIDTH / 8 * 32));
        float* to = parts + step % 2 * (BLOCKS * BLOCKS * ROWS * UNITS);
#pragma unroll
        for (int tile = 0; tile < 8; ++tile) {
            int column = group * 64 + tile * 8 + lane % 4 * 2;
            float* place = to + (column / UNITS * BLOCKS + at.rank) * (ROWS * UNITS) + column % UNITS;
#pragma unroll
            for (int q = 0; q < 4; ++q)
                *(float2*)(place + (top + 8 * q) * UNITS) =
                    make_float2(sums[q / 2][tile][q % 2 * 2], sums[q / 2][tile][q % 2 * 2 + 1]);
        }
        arrive();
    }
}
