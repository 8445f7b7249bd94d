// Encoded images' structure, and resizing, for numpy.
#include <fcntl.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/thread_pool.h"
#include "core/image/jpeg_window.h"
#include "core/image/resize.h"
#include "core/image/structure.h"
#include "python/module.h"

namespace py = pybind11;

namespace lambda_fast {
namespace {

using Bytes = py::array_t<uint8_t, py::array::c_style>;
using Windows = py::array_t<int32_t, py::array::c_style>;

// One file's bytes, or what kept them from being read.
struct FileContent {
  std::unique_ptr<uint8_t[]> bytes;
  int64_t count;
  EncodedImage image;
};

FileContent read_file(const std::string& path) {
  const auto failed = [](int error) {
    return FileContent{nullptr, 0, {std::string("cannot be read: ") + std::strerror(error)}};
  };
  if (path.find('\0') != std::string::npos) return failed(EINVAL);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed(errno);
  struct Closing {
    int file;
    ~Closing() { close(file); }
  } closing{file};
  struct stat facts;
  if (fstat(file, &facts) != 0) return failed(errno);
  if (S_ISDIR(facts.st_mode)) return failed(EISDIR);
  FileContent content{std::unique_ptr<uint8_t[]>(new uint8_t[static_cast<size_t>(facts.st_size)]), 0, {}};
  while (content.count < facts.st_size) {
    const ssize_t got =
        read(file, content.bytes.get() + content.count, static_cast<size_t>(facts.st_size - content.count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) break;  // it became shorter meanwhile
    content.count += got;
  }
  content.image = inspect_encoded_image(content.bytes.get(), content.count);
  return content;
}

// Python's threads pay the interpreter's lock for each file that they read; here a whole list costs it once.
py::list read_images(const std::vector<std::string>& paths) {
  std::vector<FileContent> files;
  {
    const py::gil_scoped_release release;
    for (const std::string& path : paths) files.push_back(read_file(path));
  }
  py::list result;
  for (FileContent& file : files) {
    if (!file.image.fault.empty()) {
      result.append(py::str(file.image.fault));
      continue;
    }
    uint8_t* const bytes = file.bytes.release();
    const py::capsule owner(bytes, [](void* owned) { delete[] static_cast<uint8_t*>(owned); });
    result.append(py::make_tuple(py::array_t<uint8_t>(static_cast<py::ssize_t>(file.count), bytes, owner),
                                 file.image.height, file.image.width));
  }
  return result;
}

py::tuple inspect(const Bytes& file) {
  const EncodedImage image = inspect_encoded_image(file.data(), file.size());
  return py::make_tuple(image.fault, image.height, image.width);
}

py::array_t<int64_t> cut_jpegs(const std::vector<Bytes>& files, const Windows& windows, int threads, PlaceIndex* index,
                               const py::array_t<int64_t>& ids) {
  const auto count = static_cast<py::ssize_t>(files.size());
  require(windows.ndim() == 2 && windows.shape(0) == count && windows.shape(1) == 4 && ids.ndim() == 1 &&
              ids.shape(0) == count && threads >= 1,
          "cut_jpegs", "expected n files, windows int32[n, 4], ids int64[n] and at least 1 thread");
  struct Piece {
    uint8_t* bytes;
    int64_t count;
    Window window;
    int64_t id;
  };
  std::vector<Piece> pieces;
  for (py::ssize_t i = 0; i < count; ++i) {
    Bytes file = files[i];
    pieces.push_back({file.mutable_data(),
                      file.size(),
                      {windows.at(i, 0), windows.at(i, 1), windows.at(i, 2), windows.at(i, 3)},
                      ids.at(i)});
    const Window& window = pieces.back().window;
    require(window.y >= 0 && window.x >= 0 && window.height >= 1 && window.width >= 1, "cut_jpegs",
            "expected windows of a pixel and more at y and x of at least 0; found y ", window.y, ", x ", window.x,
            ", height ", window.height, ", width ", window.width);
    require(index == nullptr || (ids.at(i) >= 0 && ids.at(i) < index->files()), "cut_jpegs", "expected ids below ",
            index == nullptr ? 0 : index->files(), "; found ", ids.at(i));
  }
  py::array_t<int64_t> result({count, py::ssize_t{3}});
  int64_t* const out = result.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool(threads);
  parallel_for({&pool, nullptr}, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const CutJpeg cut = cut_jpeg(pieces[i].bytes, pieces[i].count, pieces[i].window, index, pieces[i].id);
      out[3 * i] = cut.begin;
      out[3 * i + 1] = cut.rows;
      out[3 * i + 2] = cut.columns;
    }
  });
  return result;
}

void resize(Bytes output, const std::vector<Bytes>& images, const Windows& windows, bool antialias, int threads) {
  const auto count = static_cast<py::ssize_t>(images.size());
  require(output.ndim() == 4 && output.shape(0) == count && output.shape(1) >= 1 && output.shape(2) >= 1 &&
              (output.shape(3) == 1 || output.shape(3) == 3) && windows.ndim() == 2 && windows.shape(0) == count &&
              windows.shape(1) == 4,
          "resize", "expected an output uint8[n, height, width, 1 or 3], n images and windows int32[n, 4]");
  require(threads >= 1, "resize", "expected at least 1 thread; found ", threads);
  const auto extent = [](const py::array& array, int axis) { return static_cast<int32_t>(array.shape(axis)); };
  const ImageShape shape{extent(output, 1), extent(output, 2), extent(output, 3)};
  std::vector<ImageView> views;
  std::vector<Window> parts;
  for (py::ssize_t i = 0; i < count; ++i) {
    const Bytes& image = images[i];
    require(image.ndim() == 3 && image.shape(2) == shape.channels, "resize", "expected images uint8[height, width, ",
            shape.channels, "]; found another shape at ", i);
    views.push_back({image.data(), {extent(image, 0), extent(image, 1), shape.channels}});
    parts.push_back({windows.at(i, 0), windows.at(i, 1), windows.at(i, 2), windows.at(i, 3)});
    check_window(parts.back(), views.back().shape);
  }
  uint8_t* out = output.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool(threads);
  resize_cpu(out, shape, views.data(), parts.data(), count, antialias, {&pool, nullptr});
}

}  // namespace

void add_image(py::module_& module) {
  module.def(
      "inspect_encoded_image", inspect, py::arg("file"),
      "What is wrong with the structure of an encoded image (uint8[n]), '' if nothing is; its height and width in "
      "pixels, 0 where a decoder must be asked.");
  module.def(
      "read_images", read_images, py::arg("paths"),
      "Reads files one after the other: of each, (uint8[n], height, width) as in inspect_encoded_image, or as str what "
      "is wrong with it.");
  py::class_<PlaceIndex>(
      module, "PlaceIndex",
      "Where MCUs begin in JPEGs that were walked over before, in at most so many bytes for all files.")
      .def(py::init<int64_t, int64_t>(), py::arg("files"), py::arg("most_bytes"));
  module.def("cut_jpegs", cut_jpegs, py::arg("files"), py::arg("windows"), py::arg("threads"), py::arg("index"),
             py::arg("ids"),
             "Leaves out of n files (uint8[n]), which are written over in part, what lies above and beside windows "
             "int32[n, 4] (y, x, height, width). Of each, as int64[n, 3]: the byte at which a shorter JPEG begins, and "
             "how many rows and columns of pixels that one lacks at its top and left.");
  module.def("resize", resize, py::arg("output").noconvert(), py::arg("images"), py::arg("windows"),
             py::arg("antialias"), py::arg("threads"),
             "Resizes windows int32[n, 4] (y, x, height, width) of n images into output uint8[n, h, w, channels].");
}

}  // namespace lambda_fast
