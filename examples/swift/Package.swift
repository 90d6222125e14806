// swift-tools-version:5.7
// A published model's streaming form in Swift. The blocks and the manifest are plain Foundation; Core ML is Apple's.

import PackageDescription

let package = Package(
    name: "AmtExport",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "AmtExport", targets: ["AmtExport"])],
    targets: [
        .target(
            name: "AmtExport", path: ".", exclude: ["README.md", "Tests"],
            sources: ["Manifest.swift", "Blocks.swift", "Stream.swift"]
        ),
        .testTarget(name: "AmtExportTests", dependencies: ["AmtExport"], path: "Tests"),
    ]
)
