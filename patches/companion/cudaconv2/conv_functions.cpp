// Convolution and locally connected layers over matrices: shapes are derived and checked here, then a back end works.
//
// Both flavours compile this file; cpu_conv.cpp or cuda_conv.cu does the arithmetic. Source: companion-native 4.2; held
// by tests/conv.
#include "matrices.h"

#include <cudaconv2.cuh>

using namespace conv_backend;

namespace {

// What the callers pass beside matrices, under the names of the interface.
struct Geometry {
    const char* function;
    int imgSizeY;
    int imgSizeX;           // 0: from the rows of the images
    int numModulesY;
    int numModulesX;        // 0: from the rows of the hidden activities
    int filterSize;         // 0: from the rows of the filters
    int paddingStart;
    int moduleStride;
    int numImgColors;
    int numFilterColors;    // 0: dense
    int numGroups;
    bool local;
    const int* colorIndices;
};

void requireCounts(const Geometry& g) {
    require(g.imgSizeY > 0, g.function, "imgSizeY", g.imgSizeY, 1);
    require(g.numModulesY > 0, g.function, "numModulesY", g.numModulesY, 1);
    require(g.moduleStride > 0, g.function, "moduleStride", g.moduleStride, 1);
    require(g.numImgColors > 0, g.function, "numImgColors", g.numImgColors, 1);
    require(g.numGroups > 0, g.function, "numGroups", g.numGroups, 1);
    if (g.colorIndices == NULL)
        require(g.numImgColors % g.numGroups == 0, g.function, "colours left over after cutting into groups",
                g.numImgColors % g.numGroups, 0);
}

ConvShape shapeOf(const Geometry& g, int cases, int filters) {
    require(filters > 0 && filters % g.numGroups == 0, g.function, "filters left over after cutting into groups",
            filters % g.numGroups, 0);
    ConvShape s = ConvShape();
    s.cases = cases;
    s.imgSizeY = g.imgSizeY;
    s.imgSizeX = g.imgSizeX;
    s.colors = g.numImgColors;
    s.filters = filters;
    s.filterColors = g.colorIndices ? g.numFilterColors : g.numImgColors / g.numGroups;
    s.groups = g.numGroups;
    s.filterSize = g.filterSize;
    s.modulesY = g.numModulesY;
    s.modulesX = g.numModulesX;
    s.paddingStart = g.paddingStart;
    s.stride = g.moduleStride;
    s.local = g.local;
    s.colorIndices = g.colorIndices;
    return s;
}

void deriveImage(Geometry& g, const NVMatrix& images) {
    const long rows = images.getNumRows(), lines = (long)g.numImgColors * g.imgSizeY;
    require(rows > 0 && rows % lines == 0, g.function, "rows of images, in lines of pixels", rows,
            rows / lines * lines);
    g.imgSizeX = (int)(rows / lines);
}

void deriveFilter(Geometry& g, const NVMatrix& filters) {
    const long colors = g.colorIndices ? g.numFilterColors : g.numImgColors / g.numGroups;
    const long banks = colors * (g.local ? (long)g.numModulesY * g.numModulesX : 1);
    require(banks > 0 && filters.getNumRows() % banks == 0, g.function, "rows of filters left over after colours",
            banks > 0 ? filters.getNumRows() % banks : banks, 0);
    g.filterSize = sideOf(g.function, "filter pixels (rows of filters / colours)", filters.getNumRows() / banks);
}

void filterActs(Geometry g, NVMatrix& images, NVMatrix& filters, NVMatrix& targets, float scaleTargets,
                float scaleOutput) {
    requireCounts(g);
    require(g.numModulesX > 0, g.function, "numModulesX", g.numModulesX, 1);
    deriveImage(g, images);
    deriveFilter(g, filters);
    const ConvShape s = shapeOf(g, images.getNumCols(), filters.getNumCols());
    const Input image(g.function, "images", images, images.getNumRows(), s.cases);
    const Input filter(g.function, "filters", filters, filters.getNumRows(), s.filters);
    const Output target(g.function, targets, (long)s.filters * s.modules(), s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    conv_backend::filterActs(s, image, filter, target, scales);
}

void imgActs(Geometry g, NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, float scaleTargets,
             float scaleOutput) {
    requireCounts(g);
    require(g.imgSizeX > 0, g.function, "imgSizeX", g.imgSizeX, 1);
    const int numFilters = filters.getNumCols();
    const long lines = (long)numFilters * g.numModulesY;
    require(lines > 0 && hidActs.getNumRows() % lines == 0, g.function,
            "rows of hidActs left over after filters and module lines", lines > 0 ? hidActs.getNumRows() % lines : lines,
            0);
    g.numModulesX = (int)(hidActs.getNumRows() / lines);
    require(g.numModulesX > 0, g.function, "modules on a line of hidActs", g.numModulesX, 1);
    deriveFilter(g, filters);
    const ConvShape s = shapeOf(g, hidActs.getNumCols(), numFilters);
    if (g.colorIndices) {
        require(s.colors % s.filterColors == 0, g.function, "image colours left over after filter colours",
                s.colors % s.filterColors, 0);
        require((long)s.filterColors * s.groups % s.colors == 0, g.function, "connections left over after permutations",
                (long)s.filterColors * s.groups % s.colors, 0);
    }
    const Input hidden(g.function, "hidActs", hidActs, hidActs.getNumRows(), s.cases);
    const Input filter(g.function, "filters", filters, filters.getNumRows(), s.filters);
    const Output target(g.function, targets, (long)s.samples() * s.colors * s.imgPixels(), s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    conv_backend::imgActs(s, hidden, filter, target, scales);
}

void weightActs(Geometry g, NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int partialSum,
                float scaleTargets, float scaleOutput) {
    requireCounts(g);
    require(g.numModulesX > 0, g.function, "numModulesX", g.numModulesX, 1);
    require(g.filterSize > 0, g.function, "filterSize", g.filterSize, 1);
    deriveImage(g, images);
    const int modules = g.numModulesY * g.numModulesX;
    require(hidActs.getNumRows() % modules == 0, g.function, "rows of hidActs left over after modules",
            hidActs.getNumRows() % modules, 0);
    const ConvShape s = shapeOf(g, images.getNumCols(), hidActs.getNumRows() / modules);
    const int perSum = partialSum == 0 ? modules : partialSum;
    require(perSum > 0 && modules % perSum == 0, g.function, "modules left over after partial sums",
            perSum > 0 ? modules % perSum : perSum, 0);
    const Input image(g.function, "images", images, images.getNumRows(), s.cases);
    const Input hidden(g.function, "hidActs", hidActs, hidActs.getNumRows(), s.cases);
    const Output target(g.function, targets, modules / perSum * (long)s.filterRows(), s.filters, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    conv_backend::weightActs(s, image, hidden, target, perSum, scales);
}

}  // namespace

void convFilterActs(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int numModulesY,
                    int numModulesX, int paddingStart, int moduleStride, int numImgColors, int numGroups,
                    float scaleTargets, float scaleOutput) {
    const Geometry g = {"convFilterActs", imgSizeY, 0, numModulesY, numModulesX, 0, paddingStart, moduleStride,
                        numImgColors, 0, numGroups, false, NULL};
    filterActs(g, images, filters, targets, scaleTargets, scaleOutput);
}

void localFilterActs(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int numModulesY,
                     int numModulesX, int paddingStart, int moduleStride, int numImgColors, int numGroups,
                     float scaleTargets, float scaleOutput) {
    const Geometry g = {"localFilterActs", imgSizeY, 0, numModulesY, numModulesX, 0, paddingStart, moduleStride,
                        numImgColors, 0, numGroups, true, NULL};
    filterActs(g, images, filters, targets, scaleTargets, scaleOutput);
}

void convFilterActsSparse(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                          int numModulesY, int numModulesX, int paddingStart, int moduleStride, int numImgColors,
                          int numFilterColors, int numGroups, float scaleTargets, float scaleOutput) {
    const Geometry g = {"convFilterActsSparse", imgSizeY, 0, numModulesY, numModulesX, 0, paddingStart, moduleStride,
                        numImgColors, numFilterColors, numGroups, false, dColorIndices};
    filterActs(g, images, filters, targets, scaleTargets, scaleOutput);
}

void localFilterActsSparse(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                           int numModulesY, int numModulesX, int paddingStart, int moduleStride, int numImgColors,
                           int numFilterColors, int numGroups, float scaleTargets, float scaleOutput) {
    const Geometry g = {"localFilterActsSparse", imgSizeY, 0, numModulesY, numModulesX, 0, paddingStart, moduleStride,
                        numImgColors, numFilterColors, numGroups, true, dColorIndices};
    filterActs(g, images, filters, targets, scaleTargets, scaleOutput);
}

void convImgActs(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int imgSizeX, int numModulesY,
                 int paddingStart, int moduleStride, int numImgColors, int numGroups, float scaleTargets,
                 float scaleOutput) {
    const Geometry g = {"convImgActs", imgSizeY, imgSizeX, numModulesY, 0, 0, paddingStart, moduleStride, numImgColors,
                        0, numGroups, false, NULL};
    imgActs(g, hidActs, filters, targets, scaleTargets, scaleOutput);
}

void localImgActs(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int imgSizeX, int numModulesY,
                  int paddingStart, int moduleStride, int numImgColors, int numGroups, float scaleTargets,
                  float scaleOutput) {
    const Geometry g = {"localImgActs", imgSizeY, imgSizeX, numModulesY, 0, 0, paddingStart, moduleStride, numImgColors,
                        0, numGroups, true, NULL};
    imgActs(g, hidActs, filters, targets, scaleTargets, scaleOutput);
}

void convImgActsSparse(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                       int imgSizeX, int numModulesY, int paddingStart, int moduleStride, int numImgColors,
                       int numFilterColors, int numGroups, float scaleTargets, float scaleOutput) {
    const Geometry g = {"convImgActsSparse", imgSizeY, imgSizeX, numModulesY, 0, 0, paddingStart, moduleStride,
                        numImgColors, numFilterColors, numGroups, false, dColorIndices};
    imgActs(g, hidActs, filters, targets, scaleTargets, scaleOutput);
}

void localImgActsSparse(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                        int imgSizeX, int numModulesY, int paddingStart, int moduleStride, int numImgColors,
                        int numFilterColors, int numGroups, float scaleTargets, float scaleOutput) {
    const Geometry g = {"localImgActsSparse", imgSizeY, imgSizeX, numModulesY, 0, 0, paddingStart, moduleStride,
                        numImgColors, numFilterColors, numGroups, true, dColorIndices};
    imgActs(g, hidActs, filters, targets, scaleTargets, scaleOutput);
}

void convWeightActs(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int imgSizeY, int numModulesY,
                    int numModulesX, int filterSize, int paddingStart, int moduleStride, int numImgColors,
                    int numGroups, int partialSum, float scaleTargets, float scaleOutput) {
    const Geometry g = {"convWeightActs", imgSizeY, 0, numModulesY, numModulesX, filterSize, paddingStart, moduleStride,
                        numImgColors, 0, numGroups, false, NULL};
    weightActs(g, images, hidActs, targets, partialSum, scaleTargets, scaleOutput);
}

void localWeightActs(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int imgSizeY, int numModulesY,
                     int numModulesX, int filterSize, int paddingStart, int moduleStride, int numImgColors,
                     int numGroups, float scaleTargets, float scaleOutput) {
    const Geometry g = {"localWeightActs", imgSizeY, 0, numModulesY, numModulesX, filterSize, paddingStart,
                        moduleStride, numImgColors, 0, numGroups, true, NULL};
    weightActs(g, images, hidActs, targets, 1, scaleTargets, scaleOutput);
}

void convWeightActsSparse(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                          int numModulesY, int numModulesX, int filterSize, int paddingStart, int moduleStride,
                          int numImgColors, int numFilterColors, int numGroups, int partialSum, float scaleTargets,
                          float scaleOutput) {
    const Geometry g = {"convWeightActsSparse", imgSizeY, 0, numModulesY, numModulesX, filterSize, paddingStart,
                        moduleStride, numImgColors, numFilterColors, numGroups, false, dColorIndices};
    weightActs(g, images, hidActs, targets, partialSum, scaleTargets, scaleOutput);
}

void localWeightActsSparse(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                           int numModulesY, int numModulesX, int filterSize, int paddingStart, int moduleStride,
                           int numImgColors, int numFilterColors, int numGroups, float scaleTargets,
                           float scaleOutput) {
    const Geometry g = {"localWeightActsSparse", imgSizeY, 0, numModulesY, numModulesX, filterSize, paddingStart,
                        moduleStride, numImgColors, numFilterColors, numGroups, true, dColorIndices};
    weightActs(g, images, hidActs, targets, 1, scaleTargets, scaleOutput);
}
