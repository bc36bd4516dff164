// The head of an HTTP request. What is taken has a path and a host of printable characters, and is
// taken the same way when it comes with more behind it.
#include <algorithm>

#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tools/common/http_request.h"

namespace kvfs::fuzz {

void FuzzHttp(const uint8_t* data, size_t size) {
  const std::string head(reinterpret_cast<const char*>(data), size);
  tools::HttpRequest request;
  const int status = tools::ParseHttpRequest(head, &request);
  if (status != 200) {
    FUZZ_CHECK(status == 400 || status == 405 || status == 431);
    return;
  }
  const auto printable = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  };
  FUZZ_CHECK(request.path.starts_with('/') && printable(request.path));
  FUZZ_CHECK(request.path.find('?') == std::string::npos);
  FUZZ_CHECK(printable(request.host));
  tools::HttpRequest again;
  FUZZ_CHECK(tools::ParseHttpRequest(head + "body", &again) == 200);
  FUZZ_CHECK(again.path == request.path && again.host == request.host);
}

}  // namespace kvfs::fuzz
