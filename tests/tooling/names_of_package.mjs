// Prints the names that an npm package exports.
const found = await import(JSON.parse(process.argv[2]));
console.log(JSON.stringify(Object.keys(found)));
