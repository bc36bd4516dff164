#include "tools/common/table.h"

#include <algorithm>
#include <cctype>

namespace kvfs::tools {
namespace {

bool IsNumeric(const std::string& cell) {
  return !cell.empty() && std::isdigit(static_cast<unsigned char>(cell[0])) != 0;
}

}  // namespace

std::string Facts::Text() const {
  size_t width = 0;
  for (const auto& [name, value] : rows_) {
    if (value != kHeading) {
      width = std::max(width, name.size());
    }
  }
  std::string out;
  for (const auto& [name, value] : rows_) {
    if (value == kHeading) {
      out += (out.empty() ? "" : "\n") + name + "\n";
    } else {
      out += "  " + name + std::string(width - name.size() + 2, ' ') + value + "\n";
    }
  }
  return out;
}

std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (size_t column = 0; column < header.size(); ++column) {
    size_t width = header[column].size();
    bool numeric = !rows.empty();
    for (const auto& row : rows) {
      width = std::max(width, row[column].size());
      numeric = numeric && IsNumeric(row[column]);
    }
    widths.push_back(width);
    right.push_back(numeric);
  }
  std::string out;
  const auto add = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t column = 0; column < cells.size(); ++column) {
      const std::string padding(widths[column] - cells[column].size(), ' ');
      line += (column == 0 ? "" : "  ") +
              (right[column] ? padding + cells[column] : cells[column] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add(header);
  for (const auto& row : rows) {
    add(row);
  }
  return out;
}

}  // namespace kvfs::tools
