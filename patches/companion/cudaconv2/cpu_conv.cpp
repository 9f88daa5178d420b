// Convolution and locally connected layers on the CPU: BLAS products over windows gathered in bounded memory.
//
// With stride 1 and dense connectivity a row of modules reads a row of pixels that is already contiguous, so each
// filter tap is one product straight from the image, and padding is skipped instead of multiplied. Everything else
// gathers blocks of windows; gradients to images of few colours are one product for each row of taps, added along rows
// of pixels. Tasks are cut by shape alone and write disjoint outputs, so results do not depend on the number of
// threads. Checked against direct float64 loops by tests/conv and against the reference engine by tests/native.
// Formulas: companion-native section 4.2.
#include "backend.h"
#include "cpu_support.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace conv_backend {

namespace {

// Columns of one gathered block and rows summed per product: together about 1 MB, which stays in a core's cache.
const int BLOCK_COLUMNS = 512;
const int BLOCK_ROWS = 512;
// Fewer colours make the product of one tap too thin: packing its operands then costs as much as multiplying them.
const int MIN_FORWARD_COLORS = 16;
const int MIN_BACKWARD_COLORS = 64;
// Of one product of weight gradients: those of the hidden activities are packed once for all of them.
const int MOST_COLORS = 192;

// A run of modules of one module row.
struct ModuleRun {
    int my;
    Range mx;
    int first(const ConvShape& s) const { return my * s.modulesX + mx.first; }
};

int colorOf(const ConvShape& s, int group, int c) {
    return s.colorIndices ? s.colorIndices[group * s.filterColors + c] : group * s.filterColors + c;
}

int runLength(const ConvShape& s) {
    if (s.local) return 1;
    return std::max(1, std::min(s.modulesX, BLOCK_COLUMNS / std::max(1, s.cases)));
}

std::vector<ModuleRun> moduleRuns(const ConvShape& s, Range modules, int length) {
    std::vector<ModuleRun> runs;
    for (int m = modules.first; m < modules.last;) {
        const int my = m / s.modulesX, mx = m % s.modulesX;
        const int count = std::min(std::min(length, s.modulesX - mx), modules.last - m);
        const ModuleRun run = {my, {mx, mx + count}};
        runs.push_back(run);
        m += count;
    }
    return runs;
}

// The colours of a filter in parts of one size, none above `most`: a small last part would be a thin product, and waited for.
int evenColors(const ConvShape& s, int most) {
    return divideUp(s.filterColors, divideUp(s.filterColors, std::max(1, most)));
}

bool direct(const ConvShape& s, int minColors) {
    return s.stride == 1 && !s.local && !s.colorIndices && s.filterColors >= minColors;
}

// Row (c, ky, kx) of the window matrix of `run`: one contiguous stretch of cases for each module, zero outside.
void gatherRow(const ConvShape& s, const float* image, int tap, const ModuleRun& run, float* out) {
    const size_t n = s.cases;
    const int count = run.mx.count();
    const int y = s.paddingStart + run.my * s.stride + tap / s.filterSize;
    const int x = s.paddingStart + run.mx.first * s.stride + tap % s.filterSize;
    Range inside = insideRange(x, s.stride, count, s.imgSizeX);
    if (y < 0 || y >= s.imgSizeY) inside.first = inside.last = count;
    std::memset(out, 0, inside.first * n * sizeof(float));
    if (inside.count() > 0) {
        const float* source = image + ((ptrdiff_t)y * s.imgSizeX + x + (ptrdiff_t)inside.first * s.stride) * (ptrdiff_t)n;
        float* dest = out + inside.first * n;
        if (s.stride == 1) {
            std::memcpy(dest, source, inside.count() * n * sizeof(float));
        } else {
            for (int i = 0; i < inside.count(); i++)
                std::memcpy(dest + i * n, source + (size_t)i * s.stride * n, n * sizeof(float));
        }
    }
    std::memset(out + inside.last * n, 0, (count - inside.last) * n * sizeof(float));
}

// Rows [rows.first, rows.last) of (filter colour, tap) for one group and one run, each run.count()*N long.
void gatherRows(const ConvShape& s, const float* images, int group, Range rows, const ModuleRun& run, float* out) {
    const size_t length = (size_t)run.mx.count() * s.cases;
    const size_t imageSize = (size_t)s.imgPixels() * s.cases;
    for (int r = rows.first; r < rows.last; r++)
        gatherRow(s, images + colorOf(s, group, r / s.taps()) * imageSize, r % s.taps(), run,
                  out + (r - rows.first) * length);
}

// Adds to a row of pixels what the modules of a run send it through the taps of column kx.
void addToRow(const ConvShape& s, const float* values, int kx, Range mx, float* row) {
    const size_t n = s.cases;
    const int x = s.paddingStart + mx.first * s.stride + kx;
    const Range inside = insideRange(x, s.stride, mx.count(), s.imgSizeX);
    for (int i = inside.first; i < inside.last; i++) {
        float* dest = row + (x + (ptrdiff_t)i * s.stride) * (ptrdiff_t)n;
        const float* source = values + i * n;
        for (size_t k = 0; k < n; k++) dest[k] += source[k];
    }
}

// Scatter-add, the inverse of gatherRow.
void scatterRow(const ConvShape& s, const float* values, int tap, const ModuleRun& run, float* image) {
    const int y = s.paddingStart + run.my * s.stride + tap / s.filterSize;
    if (y < 0 || y >= s.imgSizeY) return;
    addToRow(s, values, tap % s.filterSize, run.mx, image + (size_t)y * s.imgSizeX * s.cases);
}

void requireIndices(const ConvShape& s, bool permutations) {
    if (!s.colorIndices) return;
    std::vector<int> seen(s.colors, 0);
    const int total = s.groups * s.filterColors;
    for (int i = 0; i < total; i++) {
        const int c = s.colorIndices[i];
        const bool fits = c >= 0 && c < s.colors && (!permutations || seen[c] == i / s.colors);
        if (!fits) {
            std::fprintf(stderr, "cudaconv2: colour index %d at position %d; expected %s 0..%d\n", c, i,
                         permutations ? "consecutive permutations of" : "a colour of", s.colors - 1);
            std::abort();
        }
        seen[c]++;
    }
}

// One tap of the direct form: the modules of row `my` that see the image through it, and the pixels they see.
struct TapView {
    int y;
    int x;          // pixel seen by the first module
    Range mx;
    bool empty(const ConvShape& s) const { return y < 0 || y >= s.imgSizeY || mx.count() == 0; }
};

TapView tapView(const ConvShape& s, int tap, int my, Range mx) {
    const int start = s.paddingStart + tap % s.filterSize;
    Range seen = insideRange(start, 1, s.modulesX, s.imgSizeX);
    seen.first = std::max(seen.first, mx.first);
    seen.last = std::max(seen.first, std::min(seen.last, mx.last));
    const TapView view = {s.paddingStart + my + tap / s.filterSize, start + seen.first, seen};
    return view;
}

void filterActsDirect(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales) {
    const size_t n = s.cases, pixels = s.imgPixels(), modules = s.modules();
    const int perGroup = s.filtersPerGroup();
    const Range all = {0, s.modulesX};
    parallelFor(s.groups * s.modulesY, [&](int task) {
        const int group = task / s.modulesY, my = task % s.modulesY;
        const float* image = images + (size_t)group * s.filterColors * pixels * n;
        float* target = targets + ((size_t)group * perGroup * modules + (size_t)my * s.modulesX) * n;
        for (int f = 0; f < perGroup; f++) scaleRow(target + f * modules * n, s.modulesX * n, scales.target);
        for (int tap = 0; tap < s.taps(); tap++) {
            const TapView view = tapView(s, tap, my, all);
            if (view.empty(s)) continue;
            gemm(true, false, perGroup, view.mx.count() * n, s.filterColors, scales.output,
                 filters + (size_t)tap * s.filters + group * perGroup, (size_t)s.taps() * s.filters,
                 image + ((size_t)view.y * s.imgSizeX + view.x) * n, pixels * n, 1, target + view.mx.first * n,
                 modules * n);
        }
    });
}

void filterActsGathered(const ConvShape& s, const float* images, const float* filters, float* targets,
                        Scales scales) {
    const size_t n = s.cases, modules = s.modules();
    const int perGroup = s.filtersPerGroup(), rows = (int)s.filterRows();
    const Range all = {0, s.modules()};
    const std::vector<ModuleRun> runs = moduleRuns(s, all, runLength(s));
    const int count = (int)runs.size();
    parallelFor(s.groups * count, [&](int task) {
        const int group = task / count;
        const ModuleRun& run = runs[task % count];
        const size_t columns = run.mx.count() * n;
        const float* bank = filters + (s.local ? (size_t)run.first(s) * rows * s.filters : 0) + group * perGroup;
        float* block = scratch(std::min(rows, BLOCK_ROWS) * columns);
        for (int r = 0; r < rows; r += BLOCK_ROWS) {
            const Range part = {r, std::min(rows, r + BLOCK_ROWS)};
            gatherRows(s, images, group, part, run, block);
            gemm(true, false, perGroup, columns, part.count(), scales.output, bank + (size_t)r * s.filters, s.filters,
                 block, columns, r == 0 ? scales.target : 1,
                 targets + ((size_t)group * perGroup * modules + run.first(s)) * n, modules * n);
        }
    });
}

void imgActsDirect(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    const size_t n = s.cases, pixels = s.imgPixels(), modules = s.modules();
    const int perGroup = s.filtersPerGroup();
    const Range all = {0, s.modulesX};
    parallelFor(s.groups * s.imgSizeY, [&](int task) {
        const int group = task / s.imgSizeY, y = task % s.imgSizeY;
        const float* hidden = hidActs + (size_t)group * perGroup * modules * n;
        float* target = targets + ((size_t)group * s.filterColors * pixels + (size_t)y * s.imgSizeX) * n;
        for (int c = 0; c < s.filterColors; c++) scaleRow(target + c * pixels * n, s.imgSizeX * n, scales.target);
        for (int tap = 0; tap < s.taps(); tap++) {
            const int my = y - s.paddingStart - tap / s.filterSize;
            const TapView view = tapView(s, tap, my, all);
            if (my < 0 || my >= s.modulesY || view.empty(s)) continue;
            gemm(false, false, s.filterColors, view.mx.count() * n, perGroup, scales.output,
                 filters + (size_t)tap * s.filters + group * perGroup, (size_t)s.taps() * s.filters,
                 hidden + ((size_t)my * s.modulesX + view.mx.first) * n, modules * n, 1, target + view.x * n,
                 pixels * n);
        }
    });
}

// The filters of shared banks as (tap row, colour, tap column) rows.
std::vector<float> byTapRows(const ConvShape& s, const float* filters) {
    const size_t length = (size_t)s.filterSize * s.filters;
    std::vector<float> rows(s.filterRows() * s.filters);
    for (int ky = 0; ky < s.filterSize; ky++)
        for (int c = 0; c < s.filterColors; c++)
            std::memcpy(&rows[((size_t)ky * s.filterColors + c) * length],
                        filters + ((size_t)c * s.filterSize + ky) * length, length * sizeof(float));
    return rows;
}

// The module row whose taps of row ky see the pixels of row y, or -1.
int seeingRow(const ConvShape& s, int y, int ky) {
    const int down = y - s.paddingStart - ky;
    return down >= 0 && down % s.stride == 0 && down / s.stride < s.modulesY ? down / s.stride : -1;
}

// A task owns a row of pixels of some colours of one group. What the module rows above it send is added up by the products,
// so that only the columns of taps are left to scatter.
void imgActsCollected(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    const size_t n = s.cases, modules = s.modules(), imageSize = s.imgPixels() * n;
    const int perGroup = s.filtersPerGroup(), side = s.filterSize;
    const int colorsPerTask = evenColors(s, BLOCK_ROWS / 2 / side);
    const int parts = divideUp(s.filterColors, colorsPerTask), length = runLength(s);
    const std::vector<float> bank = byTapRows(s, filters);
    parallelFor(s.groups * parts * s.imgSizeY, [&](int task) {
        const int y = task % s.imgSizeY, group = task / s.imgSizeY / parts, c0 = task / s.imgSizeY % parts * colorsPerTask;
        const int c1 = std::min(s.filterColors, c0 + colorsPerTask), rows = (c1 - c0) * side;
        const size_t sample = group / s.groupsPerSample();
        float* row = targets + sample * s.colors * imageSize + (size_t)y * s.imgSizeX * n;
        for (int c = c0; c < c1; c++) scaleRow(row + colorOf(s, group, c) * imageSize, s.imgSizeX * n, scales.target);
        float* block = scratch((size_t)rows * length * n);
        for (int mx = 0; mx < s.modulesX; mx += length) {
            const Range run = {mx, std::min(s.modulesX, mx + length)};
            const size_t columns = run.count() * n;
            bool first = true;
            for (int ky = 0; ky < side; ky++) {
                const int my = seeingRow(s, y, ky);
                if (my < 0) continue;
                gemm(false, false, rows, columns, perGroup, scales.output,
                     &bank[((size_t)ky * s.filterColors + c0) * side * s.filters + group * perGroup], s.filters,
                     hidActs + ((size_t)group * perGroup * modules + (size_t)my * s.modulesX + mx) * n, modules * n,
                     first ? 0 : 1, block, columns);
                first = false;
            }
            if (first) break;
            for (int r = 0; r < rows; r++)
                addToRow(s, block + r * columns, r % side, run, row + colorOf(s, group, c0 + r / side) * imageSize);
        }
    });
}

// For banks of one module each. A task owns some colours of one group, hence whole images that no other task writes.
void imgActsScattered(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    const size_t n = s.cases, modules = s.modules(), imageSize = s.imgPixels() * n;
    const int perGroup = s.filtersPerGroup(), taps = s.taps();
    const int colorsPerTask = evenColors(s, BLOCK_ROWS / 2 / taps);
    const int parts = divideUp(s.filterColors, colorsPerTask);
    const Range all = {0, s.modules()};
    const std::vector<ModuleRun> runs = moduleRuns(s, all, runLength(s));
    parallelFor(s.groups * parts, [&](int task) {
        const int group = task / parts, c0 = task % parts * colorsPerTask;
        const int c1 = std::min(s.filterColors, c0 + colorsPerTask), rows = (c1 - c0) * taps;
        const size_t sample = group / s.groupsPerSample();
        float* sampleTarget = targets + sample * s.colors * imageSize;
        for (int c = c0; c < c1; c++) scaleRow(sampleTarget + colorOf(s, group, c) * imageSize, imageSize, scales.target);
        float* block = scratch((size_t)rows * runLength(s) * n);
        for (size_t i = 0; i < runs.size(); i++) {
            const size_t columns = runs[i].mx.count() * n, module = runs[i].first(s);
            const float* bank = filters + (module * s.filterRows() + (size_t)c0 * taps) * s.filters;
            gemm(false, false, rows, columns, perGroup, scales.output, bank + group * perGroup, s.filters,
                 hidActs + ((size_t)group * perGroup * modules + module) * n, modules * n, 0, block, columns);
            for (int r = 0; r < rows; r++)
                scatterRow(s, block + r * columns, r % taps, runs[i],
                           sampleTarget + colorOf(s, group, c0 + r / taps) * imageSize);
        }
    });
}

struct WeightTask {
    int sum;        // which run of modulesPerSum modules
    int group;
    Range part;     // colours (direct) or (colour, tap) rows (gathered)
    int tap;
};

void weightActsDirect(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                      Scales scales) {
    const size_t n = s.cases, pixels = s.imgPixels(), modules = s.modules();
    const int perGroup = s.filtersPerGroup(), taps = s.taps(), colorsPerTask = evenColors(s, MOST_COLORS);
    std::vector<WeightTask> tasks;
    for (int sum = 0; sum < s.modules() / modulesPerSum; sum++)
        for (int group = 0; group < s.groups; group++)
            for (int c = 0; c < s.filterColors; c += colorsPerTask)
                for (int tap = 0; tap < taps; tap++) {
                    const WeightTask task = {sum, group, {c, std::min(s.filterColors, c + colorsPerTask)}, tap};
                    tasks.push_back(task);
                }
    parallelFor((int)tasks.size(), [&](int index) {
        const WeightTask& t = tasks[index];
        const size_t row = (size_t)t.sum * s.filterRows() + (size_t)t.part.first * taps + t.tap, ld = (size_t)taps * s.filters;
        float* target = targets + row * s.filters + t.group * perGroup;
        for (int c = 0; c < t.part.count(); c++) scaleRow(target + c * ld, perGroup, scales.target);
        const float* image = images + ((size_t)t.group * s.filterColors + t.part.first) * pixels * n;
        const float* hidden = hidActs + (size_t)t.group * perGroup * modules * n;
        const Range own = {t.sum * modulesPerSum, (t.sum + 1) * modulesPerSum};
        const std::vector<ModuleRun> runs = moduleRuns(s, own, s.modulesX);
        for (size_t i = 0; i < runs.size(); i++) {
            const TapView view = tapView(s, t.tap, runs[i].my, runs[i].mx);
            if (view.empty(s)) continue;
            gemm(false, true, t.part.count(), perGroup, view.mx.count() * n, scales.output,
                 image + ((size_t)view.y * s.imgSizeX + view.x) * n, pixels * n,
                 hidden + ((size_t)runs[i].my * s.modulesX + view.mx.first) * n, modules * n, 1, target, ld);
        }
    });
}

void weightActsGathered(const ConvShape& s, const float* images, const float* hidActs, float* targets,
                        int modulesPerSum, Scales scales) {
    const size_t n = s.cases, modules = s.modules();
    const int perGroup = s.filtersPerGroup(), rows = (int)s.filterRows();
    // With many sums there is work enough for all threads, and the hidden activities are packed once for more rows.
    const int rowsPerTask = s.modules() / modulesPerSum * s.groups >= 16 ? BLOCK_ROWS : BLOCK_ROWS / 4;
    std::vector<WeightTask> tasks;
    for (int sum = 0; sum < s.modules() / modulesPerSum; sum++)
        for (int group = 0; group < s.groups; group++)
            for (int r = 0; r < rows; r += rowsPerTask) {
                const WeightTask task = {sum, group, {r, std::min(rows, r + rowsPerTask)}, 0};
                tasks.push_back(task);
            }
    const int length = std::max(1, std::min(std::min(s.modulesX, modulesPerSum), 2 * BLOCK_COLUMNS / s.cases));
    parallelFor((int)tasks.size(), [&](int index) {
        const WeightTask& t = tasks[index];
        float* target = targets + ((size_t)t.sum * rows + t.part.first) * s.filters + t.group * perGroup;
        for (int r = 0; r < t.part.count(); r++) scaleRow(target + (size_t)r * s.filters, perGroup, scales.target);
        const Range own = {t.sum * modulesPerSum, (t.sum + 1) * modulesPerSum};
        const std::vector<ModuleRun> runs = moduleRuns(s, own, length);
        float* block = scratch((size_t)t.part.count() * length * n);
        for (size_t i = 0; i < runs.size(); i++) {
            const size_t columns = runs[i].mx.count() * n;
            gatherRows(s, images, t.group, t.part, runs[i], block);
            gemm(false, true, t.part.count(), perGroup, columns, scales.output, block, columns,
                 hidActs + ((size_t)t.group * perGroup * modules + runs[i].first(s)) * n, modules * n, 1, target,
                 s.filters);
        }
    });
}

}  // namespace

void filterActs(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales) {
    requireIndices(s, false);
    if (s.cases == 0) return;
    (direct(s, MIN_FORWARD_COLORS) ? filterActsDirect : filterActsGathered)(s, images, filters, targets, scales);
}

void imgActs(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    requireIndices(s, true);
    if (s.cases == 0) return;
    const auto backward = s.local ? imgActsScattered : direct(s, MIN_BACKWARD_COLORS) ? imgActsDirect : imgActsCollected;
    backward(s, hidActs, filters, targets, scales);
}

void weightActs(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                Scales scales) {
    requireIndices(s, false);
    if (s.cases == 0) {
        scaleRow(targets, s.modules() / modulesPerSum * s.filterRows() * s.filters, scales.target);
        return;
    }
    (direct(s, MIN_BACKWARD_COLORS) ? weightActsDirect : weightActsGathered)(s, images, hidActs, targets, modulesPerSum, scales);
}

}  // namespace conv_backend
