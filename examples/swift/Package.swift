// swift-tools-version:5.7
// A published model's streaming form in Swift. CoreMLEngine.swift is empty where there is no Core ML.

import PackageDescription

let package = Package(
    name: "AmtExport",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "AmtExport", targets: ["AmtExport"])],
    targets: [
        .target(
            name: "AmtExport", path: ".", exclude: ["README.md", "Tests", "stubs"],
            sources: ["Manifest.swift", "Blocks.swift", "ModelStream.swift", "CoreMLEngine.swift"]
        ),
        .testTarget(name: "AmtExportTests", dependencies: ["AmtExport"], path: "Tests"),
    ]
)
