// Text for people: aligned columns.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kvfs::tools {

// Lines of "name   value".
class Facts {
 public:
  void Add(std::string name, std::string value) {
    rows_.emplace_back(std::move(name), std::move(value));
  }
  // A line of its own, with an empty line before it unless it is the first.
  void Heading(std::string text) { rows_.emplace_back(std::move(text), kHeading); }
  std::string Text() const;

 private:
  static inline const std::string kHeading = std::string(1, '\0');
  std::vector<std::pair<std::string, std::string>> rows_;
};

// Columns; numbers (and sizes) are aligned to the right.
std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows);

}  // namespace kvfs::tools
